"""Write the table of all training settings into docs/training.md.

    .venv/bin/python benchmarks/training_settings.py

It is made from their descriptions in ``ecgcore/runs/config.py``.
"""

from pathlib import Path

from ecgcore.runs.config import train_settings
from ecgcore.runs.settings import settings_markdown

PAGE = Path(__file__).resolve().parents[1] / "docs" / "training.md"
BEGIN, END = "| option | meaning | accepted | default |", "\n\n"


def with_table(page: str) -> str:
    """Return the page with the table as the settings describe it now."""
    before, begin, rest = page.partition(BEGIN)
    if not begin:
        raise SystemExit(f"{PAGE} has no table that begins with: {BEGIN}")
    return f"{before}{settings_markdown(train_settings()).strip()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), encoding="utf-8")
