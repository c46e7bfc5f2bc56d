"""A run: the folder of one training, and what can be read from it during and after the training.

run.json               written once at the start: configuration, data, label source, versions
split.parquet          written once at the start: every record's part and targets (split.py)
status.json            current state
history.jsonl          one row an epoch
weights.safetensors    weights of the best epoch
calibration.json       temperature, thresholds, referral band, and the part they were fitted on
predictions.parquet    validation, test and holdout records: targets, logits, probabilities
evaluation.json        scores of the test part
log.txt                output of the training process
checkpoint.safetensors until the run is done: all that is needed to resume (training/checkpoint.py)
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgcore import resources
from ecgcore.atomic import damaged, parse_json, read_json, read_parquet, sha256_file
from ecgcore.background import interrupted_status, is_alive, read_status, update_status
from ecgcore.errors import DamagedFile, NotFound, RequestError
from ecgcore.runs.config import OLD_NAMES, ResolvedConfig
from ecgcore.runs.schema import CalibrationFile, EpochRow, EvaluationFile, RunFile, StatusFile
from ecgcore.workspace import Damaged, Workspace

if TYPE_CHECKING:
    import pandas as pd

    from ecgcore.labels.label_sets import LabelSet

SHIPPED = resources.CHECKPOINTS
ALIVE = ("queued", "running")
CRASHED = (
    "Its process ended unexpectedly. `ecgcore runs resume {id}` continues from the checkpoint."
)
CANCELLED = "Cancelled; {weights}. `ecgcore runs resume {id}` continues the training."
KEPT, NOTHING_KEPT = "the best epoch is kept", "no epoch had ended, so it has no weights yet"
JSON_FILES = ("run.json", "status.json", "history.jsonl", "evaluation.json", "calibration.json")
OLD_PARTS = {"untouched": "holdout"}
"""Parts as version 0.1.0 stored them, and their names since then."""


class Cancelled(Exception):
    """Somebody asked the run to stop."""


def current_part(name: str) -> str:
    """Return the present name of a part that version 0.1.0 may have named."""
    return OLD_PARTS.get(name, name)


def with_current_parts(predictions: "pd.DataFrame") -> "pd.DataFrame":
    """Return a stored table of predictions with the present names in its column ``part``."""
    return predictions.assign(part=predictions["part"].replace(OLD_PARTS))


def with_current_names(meta: dict[str, Any]) -> dict[str, Any]:
    """Return stored metadata with the present names of settings and parts."""
    config = {OLD_NAMES.get(name, name): value for name, value in meta["config"].items()}
    split = meta["split"] | {
        name: {current_part(part): n for part, n in meta["split"][name].items()}
        for name in ("patients", "records")
        if name in meta["split"]
    }
    notes = meta["split"].get("notes", ())
    split["notes"] = [note.replace("Untouched: ", "Holdout: ") for note in notes]
    return meta | {"config": config, "split": split}


@dataclass(frozen=True)
class Run:
    """One run folder; every property reads the disk, since another process may write to it.

    Examples
    --------
    >>> run = ecgcore.load_run("alexnet_m_se_gap")
    >>> run.status["state"], run.meta["classes"][0]
    ('done', 'NSR')
    """

    folder: Path

    def __repr__(self) -> str:
        return f"Run('{self.id}')"

    @property
    def id(self) -> str:
        """Id of the run: the name of its folder."""
        return self.folder.name

    @property
    def weights(self) -> Path:
        """File of the best epoch's weights."""
        return self.folder / "weights.safetensors"

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the best epoch's weights."""
        return sha256_file(self.weights)

    def require_weights(self) -> None:
        """Refuse a run that has no weights yet."""
        if not self.weights.exists():
            raise RequestError(
                f"Run {self.id} has no weights yet: it is {self.status['state']}. Wait for its "
                "first epoch, or choose another run."
            )

    @property
    def meta(self) -> dict[str, Any]:
        """Content of run.json, fixed at the start of the training."""
        return with_current_names(read_json(self.folder / "run.json", RunFile))

    @property
    def config(self) -> ResolvedConfig:
        """Configuration of the training, with every default made explicit.

        Raises
        ------
        DamagedFile
            A setting has a value that is not accepted.
        RequestError
            A setting is of another version.
        """
        return self._config(with_choices=True)

    def _config(self, with_choices: bool) -> ResolvedConfig:
        config = ResolvedConfig.from_json(self.meta["config"])
        try:
            config.check_values(with_choices)
        except RequestError as error:
            raise damaged(self.folder / "run.json", str(error).rstrip(".")) from None
        return config

    @property
    def label_set(self) -> "LabelSet":
        """Label set as it was when the run was prepared.

        Raises
        ------
        DamagedFile
            The stored set cannot be read.
        """
        from ecgcore.labels.label_set_file import parse_label_set
        from ecgcore.labels.label_sets import label_set

        meta = self.meta
        stored = meta["labels"].get("set")
        if stored is None:
            return label_set(meta["config"].get("label_set", "paper10"))
        try:
            return parse_label_set(stored["toml"], meta["config"]["label_set"])
        except (RequestError, KeyError, TypeError) as error:
            raise damaged(self.folder / "run.json", str(error).rstrip(".")) from None

    @property
    def status(self) -> dict[str, Any]:
        """State of the run: ``state`` (queued, running, done, cancelled, failed or crashed),
        ``epoch``, ``epochs``, ``eta_s``, ``message``.

        A run whose process is gone is reported as crashed, or as cancelled if that was requested.
        """
        status = read_status(self.folder, StatusFile)
        heartbeat_at = (self.folder / "status.json").stat().st_mtime
        if status["state"] in ALIVE and not is_alive(status, heartbeat_at):
            crashed = CRASHED.format(id=self.id)
            return interrupted_status(
                status, self.cancel_requested, crashed, self.cancelled_message
            )
        return status

    @property
    def cancelled_message(self) -> str:
        """Message of a cancelled run: what is kept, and how it is resumed."""
        weights = KEPT if self.weights.exists() else NOTHING_KEPT
        return CANCELLED.format(id=self.id, weights=weights)

    @property
    def epochs(self) -> list[dict[str, Any]]:
        """One row an epoch: losses, validation scores, seconds; empty before the first one ends."""
        file = self.folder / "history.jsonl"
        text = file.read_text("utf-8", errors="replace") if file.exists() else ""
        lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
        try:
            rows = [parse_json(line) for line in lines]
            for row in rows:
                EpochRow.model_validate(row)
        except (ValueError, RecursionError):  # a ValidationError is a ValueError
            raise damaged(file, "a line of it is no row of an epoch") from None
        return rows

    @property
    def history(self) -> "pd.DataFrame":
        """The rows of ``epochs`` as a table."""
        import pandas as pd

        return pd.DataFrame(self.epochs)

    @property
    def predictions(self) -> "pd.DataFrame":
        """One row a record: targets ``y_``, logits ``z_`` and probabilities ``p_`` by class."""
        file = self.folder / "predictions.parquet"
        if not file.exists():
            raise NotFound(
                f"Run {self.id} has no predictions yet: it is {self.status['state']}. "
                "They are written when it is done."
            )
        table = read_parquet(file)
        if not {"record", "part"} <= set(table):
            raise damaged(file, "it lacks the columns record and part")
        return with_current_parts(table)

    @property
    def calibration(self) -> dict[str, Any]:
        """Temperature, thresholds by class, referral band, and the part they were fitted on."""
        return read_json(self.folder / "calibration.json", CalibrationFile)

    @property
    def evaluation(self) -> dict[str, Any] | None:
        """Scores of the test part, None before the run is done."""
        file = self.folder / "evaluation.json"
        return read_json(file, EvaluationFile) if file.exists() else None

    @property
    def damage(self) -> str | None:
        """Damage of the run's JSON files, in one line; None where they are whole.

        Tables and weights are read only when they are used.
        """
        return _damage(self, tuple(_stamp(self.folder / name) for name in JSON_FILES))

    @property
    def log(self) -> str:
        """Output of the run's process."""
        file = self.folder / "log.txt"
        return file.read_text("utf-8", errors="replace") if file.exists() else ""

    @property
    def cancel_requested(self) -> bool:
        """Tell whether somebody asked the run to stop."""
        return (self.folder / "cancel").exists()

    def cancel(self) -> None:
        """Ask the run to stop: it ends within a batch and keeps the best epoch so far."""
        state = self.status["state"]
        if state not in ALIVE:
            raise NotFound(f"Run {self.id} cannot be cancelled: it is {state}.")
        (self.folder / "cancel").touch()

    def clear_cancel(self) -> None:
        """Withdraw the request to stop."""
        (self.folder / "cancel").unlink(missing_ok=True)

    def require_idle(self, pid: int | None = None) -> None:
        """Refuse a run that is done, or that another process trains or queues for.

        ``pid`` is the process that may already hold it, by default this one.
        """
        status = self.status
        if status["state"] == "done":
            raise RequestError(f"Run {self.id} is done; there is nothing to resume.")
        is_active = status["state"] in ALIVE and status.get("queued_at")
        if is_active and status["pid"] != (pid or os.getpid()):
            raise RequestError(
                f"Run {self.id} is {status['state']} already, in process {status['pid']}; there is "
                "nothing to resume."
            )

    def update_status(self, **changes: Any) -> None:
        """Change some entries of status.json."""
        update_status(self.folder, **changes)


def list_runs(workspace: Workspace) -> list[Run]:
    """Return the runs of a workspace whose files are whole, the newest first."""
    return [run for run in _runs(workspace.runs)[::-1] if run.damage is None]


def damaged_runs(workspace: Workspace) -> list[Damaged]:
    """Return the runs of a workspace with a damaged file, and what is wrong with each."""
    runs = [(run.id, run.damage) for run in _runs(workspace.runs)[::-1]]
    return [Damaged(name, damage) for name, damage in runs if damage is not None]


def shipped_models() -> list[Run]:
    """Return the models that come with the product."""
    return _runs(SHIPPED)


def _runs(folder: Path) -> list[Run]:
    return [Run(file.parent) for file in sorted(folder.glob("[!.]*/run.json"))]


@lru_cache(maxsize=4096)
def _damage(run: Run, stamps: Sequence[tuple[int, int]]) -> str | None:
    """Return the damage of a run; it is looked for again when a file's ``stamps`` change."""
    try:
        with suppress(RequestError):  # a run of another version is whole
            _ = run._config(with_choices=False)  # the choices' modules take seconds to import
        _ = run.status, run.epochs, run.evaluation
        if (run.folder / "calibration.json").exists():
            _ = run.calibration
    except DamagedFile as error:
        return str(error)
    return None


def _stamp(file: Path) -> tuple[int, int]:
    """Return size and modification time of a file, zeros where there is none."""
    try:
        status = file.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def find_run(reference: str, workspace: Workspace) -> Run:
    """Return the run of that id, else of that folder, else the shipped model of that name."""
    for folder in (workspace.runs / reference, Path(reference), SHIPPED / reference):
        if (folder / "run.json").is_file():
            return Run(folder.resolve())
    if Path(reference).is_dir():
        raise DamagedFile(f"The folder {Path(reference).name} is no run: it has no run.json.")
    known = [run.id for run in (*shipped_models(), *list_runs(workspace))]
    raise NotFound.among("run", reference, known, "`ecgcore runs list` shows all.")
