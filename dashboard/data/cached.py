"""Cohorts, records, measurements, networks and explanations, cached.

Pages pass values as arguments; every cache is bounded. Files that other processes write (cohorts,
runs) are part of the cache key by their modification time, so nothing stale is shown. Results for
an upload are cached in the visitor's own session only.

Modules of ecgcore that need torch are imported on first use, so that the first page opens without
them.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from ecgcore import resources
from ecgcore.cohort import catalogue
from ecgcore.cohort.store import Cohort
from ecgcore.imaging import Geometry
from ecgcore.imaging.png import NetworkImage
from ecgcore.labels.classes import CODES
from ecgcore.labels.contradictions import contradictions as find_contradictions
from ecgcore.labels.expert import Labels, label_record, resolve_statements
from ecgcore.records.record import Record
from ecgcore.runs.run import find_run
from ecgcore.workspace import Damaged, Workspace

if TYPE_CHECKING:
    from ecgcore.cohort.catalogue import CohortSummary
    from ecgcore.explanation.api import Explanation
    from ecgcore.inference.model import Classifier

SLOW_METHODS = frozenset(
    {"integrated_gradients", "occlusion_lead", "occlusion_beat", "occlusion_wave"}
)


def workspace() -> Workspace:
    """Return the workspace that this server works on."""
    return Workspace.find()


def modified_ns(file: Path) -> int:
    """Return a file's modification time in ns, 0 for a missing file; part of a cache key."""
    return file.stat().st_mtime_ns if file.exists() else 0


def _record_key(record: Record) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(record.signal_mv).tobytes())
    metadata = record.name, record.fs_hz, record.statements, record.details, record.notes
    digest.update(repr((metadata, record.age_years, record.sex, record.machine)).encode())
    return digest.hexdigest()


def _image_key(image: NetworkImage) -> bytes:
    return image.image.tobytes() + repr((image.record, image.geometry)).encode()


BY_CONTENT: dict[str | type[Any], Callable[[Any], Any]] = {
    Record: _record_key,
    NetworkImage: _image_key,
}
EXAMPLES = resources.EXAMPLES


# Cohorts and their records ----------------------------------------------------------------------


def cohorts() -> list["CohortSummary"]:
    """Return the cohorts of this workspace."""
    return catalogue.list_cohorts(workspace())


def damaged_cohorts() -> list[Damaged]:
    """Return the cohorts of this workspace that cannot be opened, and why."""
    return catalogue.damaged_cohorts(workspace())


def ingest_examples() -> None:
    """Read the example ECGs into the cohort ``examples``."""
    from ecgcore.cohort.ingest import ingest

    ingest(EXAMPLES, "examples", workspace(), workers=1)


def cohort(name: str) -> Cohort:
    """Return a cohort, opened once per server and shared read-only."""
    folder = workspace().cohorts / name
    stamp_ns = max(modified_ns(folder / "cohort.json"), modified_ns(folder / "labels"))
    return _cohort(workspace().path, name, stamp_ns)


@st.cache_resource(max_entries=8, show_spinner=False)
def _cohort(workspace_path: Path, name: str, stamp_ns: int) -> Cohort:
    return Cohort.open(name, Workspace(workspace_path))


def record(cohort_name: str, name_or_row: str | int) -> Record:
    """Return one stored record of a cohort, by name or, faster, by row."""
    return cohort(cohort_name).record(name_or_row)


def trace(record: Record, source: str) -> tuple[list[str], list[str]]:
    """Return the origin of a record's labels: of present and unknown classes, of absent classes.

    ``source`` is a tier of the expert statements, or ``criteria`` (measurements against the
    paper's thresholds).
    """
    labels = _criteria_labels(record) if source == "criteria" else label_record(record, source)
    absent_codes = tuple(CODES[i] for i in np.flatnonzero(labels.states == 0))
    absent = [line for line in labels.reasons if absent_codes and line.startswith(absent_codes)]
    return [line for line in labels.reasons if line not in absent], absent


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=BY_CONTENT, scope="session")
def _criteria_labels(record: Record) -> Labels:
    from ecgcore.labels.explain import criteria_labels
    from ecgcore.measurement.measurements import measure

    demographics = pd.DataFrame({"sex": [record.sex], "age": [record.age_years]})
    return criteria_labels(pd.DataFrame([measure(record).as_row()]), demographics)


def contradictions(record: Record) -> tuple[str, ...]:
    """Return the contradictions between a record's statements."""
    return find_contradictions(resolve_statements(record.statements, record.details))


def stated_classes(record: Record) -> list[str]:
    """Return the classes that a record's source states (core tier)."""
    return [CODES[i] for i in np.flatnonzero(label_record(record).states == 1)]


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=BY_CONTENT, scope="session")
def measurements(record: Record) -> dict[str, Any]:
    """Return the measurements of a record, as ``ecgcore measure`` does."""
    from ecgcore.measurement.measurements import measure

    return measure(record).as_json()


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=BY_CONTENT, scope="session")
def quality(record: Record) -> list[str]:
    """Return the quality flags of a recording, each as "code: description"."""
    from ecgcore.measurement.quality import quality as quality_flags

    return [str(flag) for flag in quality_flags(record)]


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=BY_CONTENT, scope="session")
def network_image(record: Record, layout: str) -> tuple[np.ndarray, Geometry]:
    """Return the image (3, 224, 224) in 0..1 that a network reads of a record, and its geometry."""
    from ecgcore.imaging.network_view import network_image as draw_image

    image = draw_image(record, layout)
    return image.image, image.geometry


# Examples and networks --------------------------------------------------------------------------


@st.cache_data(max_entries=1, show_spinner="Reading the examples …")
def examples() -> dict[str, Path]:
    """Return one example ECG for each available class: the one stated with the least doubt."""
    from ecgcore.records.discover import find_records
    from ecgcore.records.read import read_record

    best: dict[str, tuple[tuple[float, int], Path]] = {}
    for path in find_records([EXAMPLES]):
        record = read_record(path)
        classes, doubt = stated_classes(record), _doubt(record)
        if len(classes) == 1 and (classes[0] not in best or doubt < best[classes[0]][0]):
            best[classes[0]] = doubt, path
    return {code: best[code][1] for code in CODES if code in best}


def _doubt(record: Record) -> tuple[float, int]:
    """Return a sort key, least doubt first: negative lowest likelihood, number of statements."""
    likelihoods = [s.likelihood for s in record.statements if s.likelihood]
    return -min(likelihoods, default=0.0), len(record.statements)


def example(code: str) -> Record:
    """Return the example ECG of a class."""
    from ecgcore.records.read import read_record

    return read_record(examples()[code])


def classifier(reference: str) -> "Classifier":
    """Return a loaded run or shipped model, shared between the sessions of the server."""
    stamp_ns = modified_ns(find_run(reference, workspace()).weights)
    return _classifier(workspace().path, reference, stamp_ns)


@st.cache_resource(max_entries=4, show_spinner="Loading the network …")
def _classifier(workspace_path: Path, reference: str, stamp_ns: int) -> "Classifier":
    from ecgcore.inference.model import load_model

    return load_model(reference, Workspace(workspace_path))


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=BY_CONTENT, scope="session")
def explain(reference: str, ecg: Record | NetworkImage, code: str, method: str) -> "Explanation":
    """Return a network's explanation of one class, as ``ecgcore explain`` computes it."""
    from ecgcore.explanation.api import explain as explain_record
    from ecgcore.inference.concurrency import exclusive_classifier

    is_slow = method in SLOW_METHODS
    with exclusive_classifier(classifier(reference), low_priority=True, slow=is_slow) as network:
        return explain_record(network, ecg, code, method)


@st.cache_data(max_entries=32, show_spinner="Checking …", hash_funcs=BY_CONTENT, scope="session")
def trust(reference: str, ecg: Record | NetworkImage, code: str, method: str) -> dict[str, Any]:
    """Return verdict and checks of a map, as ``ecgcore explain --trust`` computes them."""
    from ecgcore.explanation.trust import check_trust
    from ecgcore.inference.concurrency import exclusive_classifier

    explanation = explain(reference, ecg, code, method)
    with exclusive_classifier(classifier(reference), slow=True) as network:
        return check_trust(explanation, network, ecg).trust
