"""Local pages: a server on loopback behind a guard, for one person on this machine. Needs the extra `page`."""
