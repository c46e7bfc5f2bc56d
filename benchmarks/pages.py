"""Write docs/pages/*: paper pages of three example records, as ``ecgcore plot`` draws them.

    .venv/bin/python benchmarks/pages.py

SVG for docs/pages.md, and PDF for printing; from examples/ptb-xl only, and reproducible.
"""

from pathlib import Path

from ecgcore.measurement.measurements import measure
from ecgcore.paper.draw import plot
from ecgcore.records.read import read_record

DOCS = Path(__file__).resolve().parents[1] / "docs"
RECORDS = DOCS.parent / "examples" / "ptb-xl" / "records100"
PAGES = {
    "normal": (RECORDS / "03000" / "03735_lr.hea", {}),
    "lbbb": (RECORDS / "03000" / "03932_lr.hea", {}),
    "stemi": (RECORDS / "20000" / "20139_lr.hea", {}),
    "stemi-cabrera": (
        RECORDS / "20000" / "20139_lr.hea",
        {"layout": "6x2", "lead_order": "cabrera"},
    ),
}


def main() -> None:
    """Write each page in both formats."""
    for name, (file, options) in PAGES.items():
        record = read_record(file)
        measurements = measure(record).as_json()
        for suffix in (".svg", ".pdf"):
            path = DOCS / "pages" / f"{name}{suffix}"
            plot(record, path, measurements=measurements, **options)
            print(f"{path.relative_to(DOCS.parent)}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
