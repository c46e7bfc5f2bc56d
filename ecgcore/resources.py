"""Folders that come with the product: shipped networks, example ECGs, results of the studies.

In a checkout they lie beside the package; a wheel carries networks and examples inside it.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent
IS_CHECKOUT = (_CHECKOUT / "pyproject.toml").is_file()
_ROOT = _CHECKOUT if IS_CHECKOUT else _PACKAGE / "bundled"

CHECKPOINTS = _ROOT / "checkpoints"
EXAMPLES = _ROOT / "examples" / "ptb-xl"
STUDIES = _CHECKOUT / "docs" / "studies"
"""Cells and pages of the studies; only a checkout has them."""
