"""Crawl: list candidates, decide, download. Workers fetch; only the main thread writes to the ledger."""
