"""FUNIT (Liu et al., ICCV 2019): networks, training and method."""
