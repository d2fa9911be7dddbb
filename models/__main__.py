"""`python -m models` is `blendgan`, for `torchrun -m models`."""

from models.cli import main

main()
