"""Pictures for training, from any local form: a release, a folder, a zip, tar shards or Parquet."""
