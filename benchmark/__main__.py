"""`python -m benchmark` is `aahq-bench`, for `torchrun -m benchmark`."""

from benchmark.cli import main

main()
