"""Functions of the public API; ``import ecgcore`` offers them, with the classes that they return.

Each takes a file's path wherever it takes a record, a run's id or a shipped network's name wherever
it takes a run, and works in ``$ECGCORE_HOME`` or ``./workspace`` unless another workspace is given.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgcore import resources
from ecgcore.errors import RequestError, require_type
from ecgcore.paper.notebook import record_html
from ecgcore.records.record import Record, set_notebook_view
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.cohort.store import Cohort
    from ecgcore.cohort.summary import IngestResult
    from ecgcore.comparison.results import Comparison
    from ecgcore.evaluation.results import Evaluation
    from ecgcore.explanation.explanation import Explanation
    from ecgcore.imaging.png import NetworkImage
    from ecgcore.inference.model import Classifier
    from ecgcore.measurement.measurements import Measurements
    from ecgcore.measurement.quality import Flag
    from ecgcore.runs.config import TrainConfig
    from ecgcore.runs.run import Run

Ecg = Record | Path | str
"""A record, or the path of a file that holds one."""
WorkspaceLike = Workspace | Path | str | None
"""A workspace, its folder, or None for ``$ECGCORE_HOME`` or ``./workspace``."""

PATH = (str, Path)
NUMBER = (int, float, np.number)

set_notebook_view(record_html)


def compare(
    run_a: "Run | str", run_b: "Run | str", *, part: str = "test", workspace: WorkspaceLike = None
) -> "Comparison":
    """Compare two runs on the records that both were scored on.

    Parameters
    ----------
    run_a, run_b
        Runs, ids of runs, folders of runs, or names of shipped networks.
    part
        ``test``, ``validation`` or ``holdout``.
    workspace
        Workspace of the runs.

    Returns
    -------
    Comparison
        Paired differences B − A with 95 % intervals over patients, exact McNemar, DeLong per class
        with Holm's correction, and the records on which the runs disagree.

    Raises
    ------
    NotFound
        No such run.
    RequestError
        Classes, target modes or labels differ, or no record is common.

    Examples
    --------
    >>> comparison = ecgcore.compare("alexnet_gap", "alexnet_m_se_gap")
    >>> round(comparison.differences["macro_auc"].value, 3) > 0
    True
    """
    from ecgcore.comparison.compare import compare as compare_runs

    return compare_runs(load_run(run_a, workspace), load_run(run_b, workspace), part)


def evaluate(
    run: "Run | str", *, part: str = "test", workspace: WorkspaceLike = None
) -> "Evaluation":
    """Evaluate a run on one part of its records.

    Parameters
    ----------
    run
        A run, its id or folder, or the name of a shipped network.
    part
        ``test``, ``validation`` or ``holdout``.
    workspace
        Workspace of the run.

    Returns
    -------
    Evaluation
        Accuracy, macro F1 and AUC with 95 % intervals over patients, figures per class, confusion,
        calibration, operating points and subgroups.

    Raises
    ------
    NotFound
        No such run, or it has no predictions yet.

    Examples
    --------
    >>> evaluation = ecgcore.evaluate("resnet1d_scaled")
    >>> evaluation.n, round(evaluation.macro_auc.value, 3)
    (17418, 0.973)
    """
    from ecgcore.evaluation.evaluate import evaluate_run

    return evaluate_run(load_run(run, workspace), part, workspace=Workspace.find(workspace))


def examples() -> list[Path]:
    """Return the paths of the 160 example ECGs, records of PTB-XL (CC BY 4.0), sorted.

    Examples
    --------
    >>> len(ecgcore.examples())
    160
    >>> ecgcore.examples()[0].name
    '00147_lr.hea'
    """
    return sorted(resources.EXAMPLES.rglob("*.hea"))


def explain(
    ecg: Ecg,
    class_code: str,
    model: "Classifier | str" = "alexnet_m_se_gap",
    *,
    method: str = "grad_cam",
    signed: bool = False,
    workspace: WorkspaceLike = None,
) -> "Explanation":
    """Explain a network's answer: where in an ECG it found evidence for a class.

    Parameters
    ----------
    ecg
        A record or the path of its file.
    class_code
        Code of one of the network's classes, such as ``LBBB``.
    model
        A loaded network, a run's id or folder, or the name of a shipped network.
    method
        ``grad_cam``, ``integrated_gradients``, ``occlusion_lead``, … (``ecgcore explain --help``).
    signed
        Also show evidence against the class: shares from −1 to 1.
    workspace
        Workspace of the run.

    Returns
    -------
    Explanation
        Map on the image (H, W), relevance by lead (shares that sum to 1), by wave where the method
        resolves waves, and the resolution in leads and ms.

    Raises
    ------
    NotFound
        No such class, method or run.
    UnreadableRecord
        The file is not a readable 12-lead ECG.

    Examples
    --------
    >>> explanation = ecgcore.explain(ecgcore.examples()[0], "LBBB")
    >>> sorted(explanation.lead_relevance) == sorted(ecgcore.LEADS)
    True
    """
    from ecgcore.explanation.api import explain as explain_class

    classifier = load_model(model, workspace) if isinstance(model, str) else model
    return explain_class(classifier, as_record(ecg), class_code, method, signed)


def ingest(
    folder: Path | str, name: str, *, workspace: WorkspaceLike = None, **options: Any
) -> "IngestResult":
    """Read a folder of recordings into a cohort, or bring that cohort up to date.

    Parameters
    ----------
    folder
        Folder to search for recordings, in any of the supported formats.
    name
        Name of the cohort: letters, digits, ``-`` and ``_``.
    workspace
        Workspace that holds the cohort.
    options
        As in ``ecgcore.cohort.ingest.ingest``: ``store_fs_hz``, ``duration_s``, ``measure``, …

    Returns
    -------
    IngestResult
        Numbers of recordings found, read, rejected (with reasons) and duplicate.

    Raises
    ------
    RequestError
        The folder, name or rate is invalid, or no recording was found.

    Examples
    --------
    >>> result = ecgcore.ingest(ecgcore.examples()[0].parent, "few", workers=1)
    >>> result.found == result.read + len(result.rejected) + len(result.duplicates)
    True
    """
    from ecgcore.cohort.ingest import ingest as ingest_folder

    require_type("folder", folder, PATH, "a folder's path")
    require_type("name", name, str, "a cohort's name")
    return ingest_folder(Path(folder), name, Workspace.find(workspace), **options)


def load_model(reference: str, workspace: WorkspaceLike = None) -> "Classifier":
    """Load a trained network with its pre-processing and calibration; nothing of it is executed.

    Parameters
    ----------
    reference
        A run's id or folder, or a shipped network: ``alexnet_gap``, ``alexnet_m_se_gap``,
        ``resnet1d_scaled`` or ``resnet1d_ptbxl71``.
    workspace
        Workspace of the run.

    Returns
    -------
    Classifier
        ``predict_proba`` answers arrays (12, T) or (B, 12, T) in mV, records and files with
        calibrated probabilities (B, classes).

    Raises
    ------
    NotFound
        No such run.
    RequestError
        The run has no weights yet.

    Examples
    --------
    >>> model = ecgcore.load_model("resnet1d_scaled")
    >>> model.predict_proba(ecgcore.examples()[0]).shape
    (1, 10)
    """
    from ecgcore.inference.model import load_model as load_model

    return load_model(reference, Workspace.find(workspace))


def load_run(reference: "Run | str", workspace: WorkspaceLike = None) -> "Run":
    """Return a run: its configuration, status, history, predictions and evaluation.

    Parameters
    ----------
    reference
        A run's id or folder, or the name of a shipped network.
    workspace
        Workspace of the run.

    Raises
    ------
    NotFound
        No such run.

    Examples
    --------
    >>> ecgcore.load_run("alexnet_gap").config.model
    'alexnet_gap'
    """
    from ecgcore.runs.run import Run, find_run

    if isinstance(reference, Run):
        return reference
    require_type("run", reference, str, "a run, its id or a shipped network's name")
    return find_run(reference, Workspace.find(workspace))


def measure(ecg: Ecg) -> "Measurements":
    """Measure an ECG: rate, intervals, axis, voltages and ST levels. Automatic and unconfirmed.

    Parameters
    ----------
    ecg
        A record or the path of its file.

    Returns
    -------
    Measurements
        Rate in beats/min, intervals in ms, axis in degrees, amplitudes in mV, R peaks in s; None
        where it cannot be measured.

    Raises
    ------
    UnreadableRecord
        The file is not a readable 12-lead ECG.

    Examples
    --------
    >>> measurements = ecgcore.measure(ecgcore.examples()[0])
    >>> 20 < measurements.rate_bpm < 250
    True
    """
    from ecgcore.measurement.measurements import measure as measure_record

    return measure_record(as_record(ecg))


def network_image(
    ecg: Ecg, layout: str = "stacked", size: int | tuple[int, int] = 224, **options: Any
) -> "NetworkImage":
    """Draw an ECG as the image that a network reads.

    Parameters
    ----------
    ecg
        A record or the path of its file.
    layout
        ``stacked`` (twelve rows), ``clinical`` (3×4 and a rhythm strip) or ``panels`` (median
        beats).
    size
        Side of a square image, or (height, width), in pixels.
    options
        ``duration_s`` and ``rhythm``, as in ``ecgcore.imaging.network_view.network_image``.

    Returns
    -------
    NetworkImage
        ``image`` (3, H, W) float32, 0 (background) to 1 (ink), with its geometry.

    Raises
    ------
    NotFound, RequestError
        No such layout or lead; a size that cannot be drawn.

    Examples
    --------
    >>> ecgcore.network_image(ecgcore.examples()[0], size=128).image.shape
    (3, 128, 128)
    """
    from ecgcore.imaging.network_view import network_image as draw

    return draw(as_record(ecg), layout, size, **options)


def open_cohort(name: str, workspace: WorkspaceLike = None) -> "Cohort":
    """Open a cohort by name, or by a URL such as ``s3://bucket/cohort``.

    Parameters
    ----------
    name
        Name of a cohort of the workspace, or the URL of a pushed one.
    workspace
        Workspace that holds the cohort, or the cache of a remote one.

    Returns
    -------
    Cohort
        ``len``, records by number, index table, signals (N, 12, T) in mV.

    Raises
    ------
    NotFound
        No such cohort.

    Examples
    --------
    >>> cohort = ecgcore.open_cohort("examples")
    >>> len(cohort), cohort.fs_hz
    (160, 100)
    """
    from ecgcore.cohort.store import Cohort

    require_type("name", name, str, "a cohort's name or URL")
    return Cohort.open(name, Workspace.find(workspace))


def plot(ecg: Ecg, to: Path | str, layout: str = "3x4", **options: Any) -> Path:
    """Plot an ECG on millimetre paper, true to scale, as PDF, SVG or PNG.

    Parameters
    ----------
    ecg
        A record or the path of its file.
    to
        File to write; its suffix (.pdf, .svg, .png) chooses the format.
    layout
        ``3x4``, ``6x2`` or ``12x1``.
    options
        ``speed_mm_s`` (25), ``gain_mm_mv`` (10), ``lead_order``, ``rhythm_leads``, ``title``, …, as
        in ``ecgcore.paper.draw.make_page``.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    NotFound, RequestError
        A layout, speed, gain or suffix that does not exist.
    UnreadableRecord
        The file is not a readable 12-lead ECG.

    Examples
    --------
    >>> ecgcore.plot(ecgcore.examples()[0], "ecg.svg").stat().st_size > 10_000
    True
    """
    from ecgcore.paper.draw import plot as plot_page

    require_type("to", to, PATH, "a file's path")
    path = Path(to)
    plot_page(as_record(ecg), path, layout, **options)
    return path


def quality(ecg: Ecg) -> "tuple[Flag, ...]":
    """Return the quality flags of an ECG, empty where nothing is wrong with it.

    Parameters
    ----------
    ecg
        A record or the path of its file.

    Returns
    -------
    tuple of Flag
        Code, leads and a sentence each: missing, flat, clipped, noisy, exchanged electrodes, …

    Raises
    ------
    UnreadableRecord
        The file is not a readable 12-lead ECG.

    Examples
    --------
    >>> all(flag.code and str(flag) for flag in ecgcore.quality(ecgcore.examples()[0]))
    True
    """
    from ecgcore.measurement.quality import quality as flags_of

    return flags_of(as_record(ecg))


def read(
    path: Path | str,
    *,
    source_fs_hz: float | None = None,
    assume_order: bool = False,
    start_s: float = 0.0,
    duration_s: float | None = None,
) -> Record:
    """Read a 12-lead ECG from a file of any supported format, told by its content.

    Parameters
    ----------
    path
        A file, any file of a WFDB record, or a path into a zip or HDF5 file.
    source_fs_hz
        Sampling rate in Hz of a file that does not state its own.
    assume_order
        Take twelve unnamed leads for I, II, III, aVR, aVL, aVF, V1–V6.
    start_s, duration_s
        Part to read, in seconds; by default all of it.

    Returns
    -------
    Record
        ``signal_mv`` (12, T) float32 in mV, rows in the order of ``ecgcore.LEADS``, NaN where
        nothing was recorded; ``fs_hz``, ``notes`` on whatever was assumed or derived.

    Raises
    ------
    UnreadableRecord
        The file is missing, damaged, or no 12-lead ECG.

    Examples
    --------
    >>> record = ecgcore.read(ecgcore.examples()[0])
    >>> record.signal_mv.shape, record.fs_hz
    ((12, 1000), 100.0)
    """
    from ecgcore.records.read import read_record

    require_type("path", path, PATH, "a file's path")
    for name, value in (("source_fs_hz", source_fs_hz), ("duration_s", duration_s)):
        require_type(name, value, (*NUMBER, type(None)), "a number")
    require_type("start_s", start_s, NUMBER, "a number")
    return read_record(
        path,
        source_fs_hz=source_fs_hz,
        assume_order=assume_order,
        start_s=start_s,
        duration_s=duration_s,
    )


def read_bytes(name: str, content: bytes, **options: Any) -> Record:
    """Read a 12-lead ECG from a file's content that is already in memory.

    Parameters
    ----------
    name
        The file's name: it names the record, and its suffix counts where the content is ambiguous.
    content
        The file's content.
    options
        ``source_fs_hz``, ``assume_order``, ``start_s`` and ``duration_s``, as in ``read``.

    Returns
    -------
    Record
        As ``read`` returns it.

    Raises
    ------
    UnreadableRecord
        The content is damaged, or no 12-lead ECG.

    Examples
    --------
    >>> content = ecgcore.read(ecgcore.examples()[0]).to_dataframe().to_csv(index=False).encode()
    >>> ecgcore.read_bytes("visit.csv", content, source_fs_hz=100).signal_mv.shape
    (12, 1000)
    """
    from ecgcore.records.uploads import read_record_bytes

    require_type("name", name, str, "a file's name")
    require_type("content", content, (bytes, bytearray, memoryview), "a file's content as bytes")
    return read_record_bytes(name, content, **options)


def train(
    config: "TrainConfig | None" = None,
    *,
    workspace: WorkspaceLike = None,
    on_progress: Callable[..., None] | None = None,
    **settings: Any,
) -> "Run":
    """Train a network and return its finished run.

    Parameters
    ----------
    config
        All settings; or give them by name, as in ``TrainConfig``.
    workspace
        Workspace that holds the cohort and receives the run.
    on_progress
        Called with the run and its progress (epoch, step, steps, the epoch's row).
    settings
        Fields of ``TrainConfig``, where no config is given.

    Returns
    -------
    Run
        The finished run, scored on its test records.

    Raises
    ------
    NotFound, RequestError
        A name or value that is not accepted.

    Examples
    --------
    >>> run = ecgcore.train(
    ...     cohort="examples", model="resnet1d", level="all", epochs=1, depth=4, width=8, kernel=3
    ... )
    >>> run.status["state"]
    'done'
    """
    from ecgcore.runs.config import TrainConfig
    from ecgcore.runs.recipes import require_known_settings
    from ecgcore.training.trainer import train as train_run

    if config is None:
        if "cohort" not in settings:
            raise RequestError("A training needs a cohort: cohort='NAME', or a TrainConfig.")
        require_known_settings(settings)
        config = TrainConfig(**settings)
    return train_run(config, Workspace.find(workspace), on_progress)


def as_record(ecg: Ecg) -> Record:
    """Return a record as it is, and read a path."""
    require_type("ecg", ecg, (Record, *PATH), "a record or a file's path")
    return ecg if isinstance(ecg, Record) else read(ecg)
