"""DRIT++ over several domains (Lee et al., IJCV 2020, section 3.6): networks, training and method."""
