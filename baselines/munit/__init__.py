"""MUNIT (Huang et al., ECCV 2018): networks, training and method."""
