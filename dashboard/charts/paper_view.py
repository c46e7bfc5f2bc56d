"""ECG page on the screen, with zoom and calipers (``paper_view.js``, ``paper_view.css``).

``ecgcore.paper.draw`` draws the page in millimetres, and the calipers measure in the same
millimetres, so that they are exact at every zoom.
"""

from pathlib import Path
from typing import Any

import streamlit as st

from ecgcore.paper.draw import make_page
from ecgcore.paper.render_svg import as_svg
from ecgcore.records.record import Record

PX_PER_MM = 4
"""Scale at 100 %: a 10 s page is 1,080 px wide."""
_BAR_PX = 44
_HERE = Path(__file__).resolve().parent
_view = st.components.v2.component(
    "ecg_paper",
    html='<div class="paper"></div>',
    css=(_HERE / "paper_view.css").read_text("utf-8"),
    js=(_HERE / "paper_view.js").read_text("utf-8"),
)


def show(record: Record, dark: bool, key: str, **options: Any) -> None:
    """Show a record on ECG paper; ``options`` as in ``make_page``: layout, speed, gain, …"""
    page = make_page(record, theme="dark" if dark else "light", **options)
    _view(
        key=key,
        data={
            "svg": as_svg(page, PX_PER_MM),
            "alt": f"Twelve-lead ECG of record {record.name}",
            "width_mm": page.width_mm,
            "height_mm": page.height_mm,
            "px_per_mm": PX_PER_MM,
            "ms_per_mm": 1000 / options.get("speed_mm_s", 25.0),
            "mv_per_mm": 1 / options.get("gain_mm_mv", 10.0),
        },
        height=round(page.height_mm * PX_PER_MM) + _BAR_PX,
    )
