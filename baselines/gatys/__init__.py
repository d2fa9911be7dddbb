"""Style transfer by optimisation (Gatys et al., CVPR 2016)."""
