"""Networks of BlendGAN and what it stands on: StyleGAN2, style encoder, discriminators, pSp, ArcFace, VGG-19."""
