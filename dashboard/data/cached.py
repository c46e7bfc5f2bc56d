"""The one place that asks ecgcore. Values go in as arguments, answers come out; every cache is
bounded. What other processes write (cohorts, runs) is keyed by its file's time, so nothing stale
is shown. What comes from an upload is cached in the visitor's own session only.

ecgcore's modules that need torch are imported on first use: the first page comes without them.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from ecgcore import resources
from ecgcore.cohort.store import Cohort, list_cohorts
from ecgcore.imaging import Geometry
from ecgcore.imaging.png import NetworkImage
from ecgcore.labels.classes import CODES
from ecgcore.labels.contradictions import contradictions as contradictions_of
from ecgcore.labels.expert import Labels, label_record, resolve_statements
from ecgcore.records.record import Record
from ecgcore.runs.run import find_run
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.cohort.store import CohortSummary
    from ecgcore.explain.api import Explanation
    from ecgcore.inference.model import Classifier

SLOW = frozenset({"integrated_gradients", "occlusion_lead", "occlusion_beat", "occlusion_wave"})


def workspace() -> Workspace:
    """Return the home folder that this server works on."""
    return Workspace.find()


def written(file: Path) -> int:
    """Return a file's time in ns, 0 where it is not there: part of a cache's key."""
    return file.stat().st_mtime_ns if file.exists() else 0


def _record_key(record: Record) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(record.signal_mv).tobytes())
    about = record.name, record.fs_hz, record.statements, record.details, record.notes
    digest.update(repr((about, record.age_years, record.sex, record.machine)).encode())
    return digest.hexdigest()


def _picture_key(picture: NetworkImage) -> bytes:
    return picture.image.tobytes() + repr((picture.record, picture.geometry)).encode()


BY_CONTENT: dict[str | type[Any], Callable[[Any], Any]] = {
    Record: _record_key,
    NetworkImage: _picture_key,
}
EXAMPLES = resources.EXAMPLES


# Cohorts and their records ----------------------------------------------------------------------


def cohorts() -> list["CohortSummary"]:
    """Return the cohorts of this home."""
    return list_cohorts(workspace())


def ingest_examples() -> None:
    """Read the example ECGs into the cohort ``examples``."""
    from ecgcore.cohort.ingest import ingest

    ingest(EXAMPLES, "examples", workspace(), workers=1)


def cohort(name: str) -> Cohort:
    """Return a cohort, opened once a server and shared: it only reads."""
    return _cohort(workspace().path, name, written(workspace().cohorts / name / "cohort.json"))


@st.cache_resource(max_entries=8, show_spinner=False)
def _cohort(home_path: Path, name: str, stamp: int) -> Cohort:
    return Cohort.open(name, Workspace(home_path))


def record(cohort_name: str, which: str | int) -> Record:
    """Return one record of a cohort as it is stored, by name or, more quickly, by row."""
    return cohort(cohort_name).record(which)


def trace(shown: Record, by: str) -> tuple[list[str], list[str]]:
    """Return where a record's labels come from: of present and unknown classes, of absent ones.

    ``by`` is a tier of what its source states, or ``criteria`` (measurements, the paper's
    thresholds).
    """
    labels = _by_criteria(shown) if by == "criteria" else label_record(shown, by)
    absent = tuple(CODES[i] for i in np.flatnonzero(labels.states == 0))
    told = [(line.startswith(absent) if absent else False, line) for line in labels.reasons]
    return [line for no, line in told if not no], [line for no, line in told if no]


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=BY_CONTENT, scope="session")
def _by_criteria(shown: Record) -> Labels:
    from ecgcore.labels.explain import criteria_labels
    from ecgcore.measure.measurements import measure

    who = pd.DataFrame({"sex": [shown.sex], "age": [shown.age_years]})
    return criteria_labels(pd.DataFrame([measure(shown).as_row()]), who)


def contradictions(shown: Record) -> tuple[str, ...]:
    """Return what a record's statements say against each other."""
    return contradictions_of(resolve_statements(shown.statements, shown.details))


def stated(shown: Record) -> list[str]:
    """Return the classes that a record's source states (core tier)."""
    return [CODES[i] for i in np.flatnonzero(label_record(shown).states == 1)]


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=BY_CONTENT, scope="session")
def measured(shown: Record) -> dict[str, Any]:
    """Return what ``ecgcore measure`` says of a record."""
    from ecgcore.measure.measurements import measure

    return measure(shown).as_json()


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=BY_CONTENT, scope="session")
def quality(shown: Record) -> list[str]:
    """Return what is doubtful about a recording: "code: words" a flag."""
    from ecgcore.measure.quality import quality as flags_of

    return [str(flag) for flag in flags_of(shown)]


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=BY_CONTENT, scope="session")
def network_image(shown: Record, layout: str) -> tuple[np.ndarray, Geometry]:
    """Return the image (3, 224, 224) in 0..1 that a network sees of a record, and its measures."""
    from ecgcore.imaging.network_view import network_image as draw_image

    drawn = draw_image(shown, layout)
    return drawn.image, drawn.geometry


# Uploads and answers ----------------------------------------------------------------------------


@st.cache_data(max_entries=1, show_spinner="Reading the examples …")
def examples() -> dict[str, Path]:
    """Return one example ECG a class, as far as there are any: the most plainly stated."""
    from ecgcore.records.discover import find_records
    from ecgcore.records.read import read_record

    found: dict[str, tuple[tuple[float, int], Path]] = {}
    for path in find_records([EXAMPLES]):
        record = read_record(path)
        classes, doubt = stated(record), _doubt(record)
        if len(classes) == 1 and (classes[0] not in found or doubt < found[classes[0]][0]):
            found[classes[0]] = doubt, path
    return {code: found[code][1] for code in CODES if code in found}


def _doubt(shown: Record) -> tuple[float, int]:
    """Return what orders records from the most plainly stated on: doubt, number of statements."""
    likelihoods = [s.likelihood for s in shown.statements if s.likelihood]
    return -min(likelihoods, default=0.0), len(shown.statements)


def example(code: str) -> Record:
    """Return the example ECG of a class."""
    from ecgcore.records.read import read_record

    return read_record(examples()[code])


def classifier(reference: str) -> "Classifier":
    """Return a loaded run or shipped model, one a server, shared between sessions."""
    return _classifier(
        workspace().path, reference, written(find_run(reference, workspace()).weights)
    )


@st.cache_resource(max_entries=4, show_spinner="Loading the network …")
def _classifier(home_path: Path, reference: str, stamp: int) -> "Classifier":
    from ecgcore.inference.model import load_model

    return load_model(reference, Workspace(home_path))


@st.cache_data(max_entries=64, show_spinner="Asking …", hash_funcs=BY_CONTENT, scope="session")
def answers(reference: str, asked: list[Record]) -> list[dict[str, Any]]:
    """Return what ``ecgcore classify`` says of each record."""
    from ecgcore.inference.classify import classify_records
    from ecgcore.inference.concurrency import exclusive_classifier

    with exclusive_classifier(classifier(reference)) as network:
        return classify_records(asked, network)


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=BY_CONTENT, scope="session")
def explain(reference: str, shown: Record | NetworkImage, code: str, method: str) -> "Explanation":
    """Return what ``ecgcore explain`` finds."""
    from ecgcore.explain.api import explain as explain_record
    from ecgcore.inference.concurrency import exclusive_classifier

    is_slow = method in SLOW
    with exclusive_classifier(classifier(reference), low_priority=True, slow=is_slow) as network:
        return explain_record(network, shown, code, method)


@st.cache_data(max_entries=32, show_spinner="Checking …", hash_funcs=BY_CONTENT, scope="session")
def trust(reference: str, shown: Record | NetworkImage, code: str, method: str) -> dict[str, Any]:
    """Return what ``ecgcore explain --trust`` says of a map: verdict and checks."""
    from ecgcore.explain.trust import check_trust
    from ecgcore.inference.concurrency import exclusive_classifier

    found = explain(reference, shown, code, method)
    with exclusive_classifier(classifier(reference), slow=True) as network:
        return check_trust(found, network, shown).trust
