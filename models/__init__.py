"""BlendGAN: networks, weights, training and the `Method` interface."""
