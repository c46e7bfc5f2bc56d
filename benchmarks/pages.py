"""Make docs/pages/*: the ECG page of three example records, as ``ecgcore plot`` draws it.

    .venv/bin/python benchmarks/pages.py

SVG for docs/pages.md, and PDF to print. From examples/ptb-xl alone, and the same each time.
"""

from pathlib import Path

from ecgcore.measure.measurements import measure
from ecgcore.paper.draw import write_page
from ecgcore.records.read import read_record

DOCS = Path(__file__).resolve().parents[1] / "docs"
RECORDS = DOCS.parent / "examples" / "ptb-xl" / "records100"
PAGES = {
    "normal": (RECORDS / "03000" / "03735_lr.hea", {}),
    "lbbb": (RECORDS / "03000" / "03932_lr.hea", {}),
    "stemi": (RECORDS / "20000" / "20139_lr.hea", {}),
    "stemi-cabrera": (RECORDS / "20000" / "20139_lr.hea", {"layout": "6x2", "order": "cabrera"}),
}


def main() -> None:
    """Write each page in both forms."""
    for name, (file, how) in PAGES.items():
        record = read_record(file)
        measured = measure(record).as_json()
        for form in (".svg", ".pdf"):
            to = DOCS / "pages" / f"{name}{form}"
            write_page(record, to, measured=measured, **how)
            print(f"{to.relative_to(DOCS.parent)}: {to.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
