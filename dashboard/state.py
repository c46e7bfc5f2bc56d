"""What the visitor looks at. It stands in the URL, and goes along from page to page.

Widgets with ``bind="query-params"`` write it there. The nouns below are shared by pages on purpose
and carry no page's name: the record chosen in Browse is the one that Saliency explains. Everything
else is a page's own, and its key carries that page's name.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Literal
from urllib.parse import quote

import streamlit as st

from ecgcore.imaging.png import NetworkImage
from ecgcore.records.record import Record

COHORT = "cohort"
RECORD = "record"
RUN_A, RUN_B = "a", "b"
RECORDS, WHY = "records", "why"
LONGEST_WHY = 120
_LONGEST_LINK = 6000  # characters: browsers and proxies take 8,000 and more
URL: Literal["query-params"] = "query-params"

_UPLOADS = "session_uploads"


def forget_record() -> None:
    """Look at no record: the one looked at belongs to another cohort, or other filters."""
    st.session_state[RECORD] = ""


def asking_for(cohort: str, records: Sequence[str], why: str) -> dict[str, str]:
    """Return what a link to Browse carries to show these records, and in words which they are.

    Where there are more than a link holds it carries the first, and says so.
    """
    room = _LONGEST_LINK - 3 * LONGEST_WHY
    ends = list(accumulate(len(quote(name)) + 3 for name in records))
    held = bisect_right(ends, room)
    if held < len(records):
        why = f"the first {held:,} of {len(records):,}, {why}"
    return {COHORT: cohort, RECORDS: ",".join(records[:held]), WHY: why[:LONGEST_WHY]}


def settle(key: str, options: list[str], first: str) -> None:
    """Let a widget without a default hold ``first`` where it holds none of its options.

    A default would not stand in the URL, and the URL would show something else once there is a
    newer run or another cohort.
    """
    if st.session_state.get(key) not in options:
        st.session_state[key] = first


def is_dark() -> bool:
    """Tell whether the visitor sees the dark theme."""
    return st.context.theme.type == "dark"


def keep_uploads(sights: Mapping[str, Record | NetworkImage]) -> None:
    """Keep what was uploaded in this session (file → record or picture); memory only."""
    st.session_state[_UPLOADS] = dict(sights)


def uploads() -> dict[str, Record | NetworkImage]:
    """Return what was uploaded in this session."""
    return st.session_state.get(_UPLOADS, {})
