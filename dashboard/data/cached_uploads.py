"""What a visitor brings, and what the networks say of it. As in ``cached``: values in, answers out,
every cache bounded; what comes from an upload stays in the visitor's own session.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.data import cached
from ecgcore.errors import UnreadableRecord
from ecgcore.records.record import Record

if TYPE_CHECKING:
    from ecgcore.inference.inputs import ClassifierInput

MOST_FILES, MOST_RECORDS, MAX_MEASURED_S = 400, 200, 600.0
CHUNK = 16


@st.cache_data(max_entries=2, show_spinner="Reading …", scope="session")
def read(
    files: dict[str, bytes], fs_hz: float | None, assume_order: bool
) -> list[tuple[str, "ClassifierInput | UnreadableRecord"]]:
    """Return what uploaded files hold: a record or a picture of ours each, or the reason why not.

    They are called ECG 1, ECG 2 … in order. Of a long recording its first ten minutes are kept.
    """
    from ecgcore.inference.inputs import read_uploaded_inputs
    from ecgcore.records.read import ReadOptions

    how = ReadOptions(source_fs_hz=fs_hz, assume_order=assume_order)
    return read_uploaded_inputs(
        files, max_records=MOST_RECORDS, max_duration_s=MAX_MEASURED_S, options=how
    )


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=cached.BY_CONTENT, scope="session")
def answers(reference: str, asked: list["ClassifierInput"]) -> list[dict[str, Any]]:
    """Return what ``ecgcore classify`` says of each."""
    from ecgcore.inference.classify import classify_inputs
    from ecgcore.inference.concurrency import exclusive_classifier

    with exclusive_classifier(cached.classifier(reference)) as network:
        return classify_inputs(asked, network)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=cached.BY_CONTENT, scope="session")
def gate(shown: Record) -> dict[str, Any]:
    """Return what the quality gate says of a recording: ``verdict`` and ``reasons``."""
    from ecgcore.measure.quality_gate import gate as gate_of

    return asdict(gate_of(shown))


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=cached.BY_CONTENT, scope="session")
def was_trained_on(reference: str, shown: Record) -> bool:
    """Whether a run says that it learnt from this recording."""
    from ecgcore.runs.provenance import was_trained_on as says

    return says(cached.classifier(reference).run, shown)


def thresholds(reference: str) -> dict[str, float]:
    """Return per class the calibrated probability from which a run calls it; empty: none."""
    network = cached.classifier(reference)
    return network.thresholds if network.target_mode == "multilabel" else {}


def bands(reference: str) -> dict[str, tuple[float, float]]:
    """Return per class the probabilities at which a run is not certain; empty: it has no band."""
    refer = cached.classifier(reference).refer
    told = (refer or {}).get("bands") or {}
    return {code: (ends[0], ends[1]) for code, ends in told.items() if ends}
