"""`python -m aahq`."""

from aahq.cli import main

if __name__ == "__main__":
    main(prog_name="aahq")
