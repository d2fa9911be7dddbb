"""Forgetting: a work goes out of ledger, files, releases and cards, and a salted hash keeps it from coming back."""
