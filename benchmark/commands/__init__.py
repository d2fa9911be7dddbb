"""`aahq-bench` commands, one verb a file."""
