"""The commands of `aahq`, one verb a file."""
