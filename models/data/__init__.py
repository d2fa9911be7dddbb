"""Pictures for training, from any local form: a release, a folder, a zip, tar shards or Parquet."""

# Above this, pictures are decoded while training instead of being kept at the training's size.
MOST_CACHED_BYTES = 64e9
