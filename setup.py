"""Build step: put the shipped networks, the examples and Streamlit's settings into the wheel."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
LEFT_OUT = shutil.ignore_patterns("predictions.parquet", "secrets.toml", "*.py", "__pycache__")
"""Predictions are needed to compare the networks anew: a checkout has them."""
FOLDERS = {
    "checkpoints": "ecgcore/bundled/checkpoints",
    "examples": "ecgcore/bundled/examples",
    ".streamlit": "dashboard/.streamlit",
}


class BuildWithData(build_py):
    """Copy data folders that lie beside the packages into the built package."""

    def run(self) -> None:
        """Build the packages; an editable installation reads the data where they lie."""
        super().run()
        if self.editable_mode:
            return
        for source, target in FOLDERS.items():
            shutil.copytree(
                ROOT / source, Path(self.build_lib) / target, ignore=LEFT_OUT, dirs_exist_ok=True
            )


setup(cmdclass={"build_py": BuildWithData})
