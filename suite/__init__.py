"""What every room of the house shares: one way to fail, to report, to write files and to read a profile."""
