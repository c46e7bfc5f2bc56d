"""One self-contained page of a comparison, for people who were not there."""
