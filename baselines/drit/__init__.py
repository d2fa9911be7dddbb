"""DRIT++ (Lee et al., IJCV 2020), two domains: networks, training and method."""
