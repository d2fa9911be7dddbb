"""Layer swapping between two StyleGAN2 generators (Pinkney and Adler 2020)."""
