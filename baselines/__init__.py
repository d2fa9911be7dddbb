"""AdaIN, MUNIT, FUNIT, DRIT++ and StarGAN v2 behind the `Method` interface."""
