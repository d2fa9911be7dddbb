"""A reference pack: what scoring needs of the real pictures and of the draws, in one file, for people who have neither."""
