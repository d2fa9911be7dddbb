"""The stages, one a file: each moves rows of the ledger from one state to the next, or to `rejected` with a reason."""
