"""May a picture be used? Permissions, opt-outs, reservations in pages and files, each answer with its evidence."""
