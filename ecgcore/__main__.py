"""``python -m ecgcore`` is the command ``ecgcore``."""

from ecgcore.cli import main

main()
