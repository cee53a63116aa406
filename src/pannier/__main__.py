"""`python -m pannier` is the program under its own name."""

from pannier.cli.main import run

run()
