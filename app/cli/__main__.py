"""`python -m app.cli` is the `dyad` command."""

from app.cli import main

main()
