"""What must not be in a set: lists of perceptual hashes, and classifiers whose model files the person brings."""
