"""The commands of `baselines`, one a file."""
