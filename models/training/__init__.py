"""Training shared by BlendGAN and the baselines: one loop, one run folder, one kind of checkpoint."""
