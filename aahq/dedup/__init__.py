"""Near-duplicates: embeddings, pairs, clusters, keepers and splits."""
