"""The version of this package: one place, read by pyproject.toml and stamped on every run."""

__version__ = "0.1.0"
