"""StarGAN v2 (Choi et al., CVPR 2020): networks, training and method."""
