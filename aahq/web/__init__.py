"""The only way to the web: guarded sockets, robots.txt, one rate limit per host, deadlines, typed interrupts."""
