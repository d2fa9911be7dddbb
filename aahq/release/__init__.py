"""A release: aligned pictures, a manifest written last, rejects with reasons, checksums. Written here, read by anyone."""
