"""Review: people keep or drop faces on one local page; every decision is a line in a log that only grows."""
