"""Session state and URL parameters shared by several pages.

Widgets with ``bind="query-params"`` write their value into the URL. The names below are shared on
purpose and carry no page's name: the record selected in Browse is the one that Saliency explains.
Every other key belongs to one page and starts with that page's name.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import isfinite
from typing import Literal
from urllib.parse import quote

import streamlit as st

from ecgcore.imaging.png import NetworkImage
from ecgcore.records.record import Record

COHORT = "cohort"
RECORD = "record"
RUN_A, RUN_B = "a", "b"
RECORDS, WHY = "records", "why"
MAX_WHY_CHARS = 120
_MAX_LINK_CHARS = 6000  # browsers and proxies accept 8,000 and more
URL: Literal["query-params"] = "query-params"

_UPLOADS = "session_uploads"


def clear_record() -> None:
    """Deselect the record: it belongs to another cohort or to other filters."""
    st.session_state[RECORD] = ""


def link_to_records(cohort: str, records: Sequence[str], why: str) -> dict[str, str]:
    """Return the query of a link to Browse with these records and their description.

    A link that cannot hold all records carries the first ones, and its description says so.
    """
    room = _MAX_LINK_CHARS - 3 * MAX_WHY_CHARS
    lengths = list(accumulate(len(quote(name)) + 3 for name in records))
    n = bisect_right(lengths, room)
    if n < len(records):
        why = f"the first {n:,} of {len(records):,}, {why}"
    return {COHORT: cohort, RECORDS: ",".join(records[:n]), WHY: why[:MAX_WHY_CHARS]}


def ensure_option(key: str, options: list[str], default: str) -> None:
    """Set a widget without a default to ``default`` unless it holds one of its options.

    A widget's own default is not written to the URL, which would then show something else as soon
    as there is a newer run or another cohort.
    """
    if st.session_state.get(key) not in options:
        st.session_state[key] = default


def number_in_url(key: str) -> Literal["query-params"] | None:
    """Return the binding of a number's control to the URL.

    None where the URL holds a number without end, on which Streamlit's control would fail.
    """
    return None if any(map(_is_infinite, st.query_params.get_all(key))) else URL


def _is_infinite(text: str) -> bool:
    try:
        return not isfinite(float(text))
    except ValueError:
        return False


def is_dark() -> bool:
    """Return True if the visitor uses the dark theme."""
    return st.context.theme.type == "dark"


def store_uploads(ecgs: Mapping[str, Record | NetworkImage]) -> None:
    """Store this session's uploads (file → record or network image), in memory only."""
    st.session_state[_UPLOADS] = dict(ecgs)


def uploads() -> dict[str, Record | NetworkImage]:
    """Return this session's uploads."""
    return st.session_state.get(_UPLOADS, {})
