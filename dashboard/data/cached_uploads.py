"""Uploaded ECGs and the networks' answers, cached in the visitor's own session only."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.data import cached
from ecgcore.errors import UnreadableRecord
from ecgcore.records.record import Record

if TYPE_CHECKING:
    from ecgcore.inference.inputs import ClassifierInput

MAX_FILES, MAX_RECORDS, MAX_DURATION_S = 400, 200, 600.0
MAX_TOTAL_MB = 200
BATCH = 16


@st.cache_data(max_entries=2, show_spinner="Reading …", scope="session")
def read(
    files: dict[str, bytes], fs_hz: float | None, assume_order: bool
) -> list[tuple[str, "ClassifierInput | UnreadableRecord"]]:
    """Return the record or network image in each uploaded file, or the reason why there is none.

    They are named ECG 1, ECG 2 … in order. Only the first ten minutes of a long recording are read.
    """
    from ecgcore.inference.inputs import read_uploaded_inputs
    from ecgcore.records.read import ReadOptions

    options = ReadOptions(source_fs_hz=fs_hz, assume_order=assume_order)
    return read_uploaded_inputs(
        files, max_records=MAX_RECORDS, max_duration_s=MAX_DURATION_S, options=options
    )


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=cached.BY_CONTENT, scope="session")
def answers(reference: str, ecgs: list["ClassifierInput"]) -> list[dict[str, Any]]:
    """Return a network's answer to each ECG, as ``ecgcore classify`` gives it."""
    from ecgcore.inference.classify import classify_inputs
    from ecgcore.inference.concurrency import exclusive_classifier

    with exclusive_classifier(cached.classifier(reference)) as network:
        return classify_inputs(ecgs, network)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=cached.BY_CONTENT, scope="session")
def quality_gate(record: Record) -> dict[str, Any]:
    """Return the quality gate's ``verdict`` on a recording and its ``reasons``."""
    from ecgcore.measurement.quality_gate import gate

    return asdict(gate(record))


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=cached.BY_CONTENT, scope="session")
def was_trained_on(reference: str, record: Record) -> bool:
    """Return True if a run was trained on this recording."""
    from ecgcore.runs import provenance

    return provenance.was_trained_on(cached.classifier(reference).run, record)


@st.cache_data(max_entries=64, show_spinner=False)
def training_sources(reference: str) -> frozenset[str]:
    """Return the databases that a run was trained on; empty where this is not known."""
    from ecgcore.runs import provenance

    return provenance.training_sources(cached.classifier(reference).run)


def thresholds(reference: str) -> dict[str, float]:
    """Return class → calibrated probability from which a run calls it; empty without thresholds."""
    network = cached.classifier(reference)
    return network.thresholds if network.target_mode == "multilabel" else {}


def uncertain_bands(reference: str) -> dict[str, tuple[float, float]]:
    """Return class → range of probabilities in which a run is uncertain; empty without ranges."""
    referral = cached.classifier(reference).refer or {}
    bands = referral.get("bands") or {}
    return {code: (ends[0], ends[1]) for code, ends in bands.items() if ends}
