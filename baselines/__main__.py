"""`python -m baselines` is `baselines`, for `torchrun -m baselines`."""

from baselines.cli import main

main()
