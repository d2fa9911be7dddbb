"""Metrics: mathematics on features and pictures that are handed in, and the extractors that make the features."""
