"""The TensorBoard tracker: event files of a run."""

import re
import shutil
import time
from typing import Any

from ecgcore.runs.run import Run
from ecgcore.version import RESEARCH_USE_ONLY


class TensorBoard:
    """Event files, started anew whenever the training is resumed, so that they equal history.jsonl.

    Events are written directly: errors in the thread of torch's SummaryWriter cannot be caught.
    """

    name = "TensorBoard"

    def __init__(self, run: Run) -> None:
        self.run = run
        self.folder = run.folder / "tensorboard"

    def begin(self, settings: dict[str, Any]) -> None:
        from tensorboard.plugins.text.summary_v2 import text_pb

        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.file = self.folder / f"events.out.tfevents.{time.time():.0f}.ecgcore"
        self.n_logged = 0
        self._write(file_version="brain.Event:2")
        rows = "\n".join(f"| {name} | {value} |" for name, value in settings.items())
        text = f"{RESEARCH_USE_ONLY}\n\n| | |\n|---|---|\n| run | {self.run.id} |\n{rows}"
        self._write(summary=text_pb("run", text))

    def log_epochs(self, rows: list[dict[str, float]]) -> None:
        for row in rows[self.n_logged :]:
            self._log_scalars(row, int(row["epoch"]))
            self.n_logged += 1

    def finish(self, outcome: str, scores: dict[str, float], epoch: int) -> None:
        self._log_scalars(scores, epoch)

    def _log_scalars(self, scalars: dict[str, float], epoch: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        tags = {re.sub("^(train|val|test)_", r"\1/", k): v for k, v in scalars.items()}
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in tags.items()]
        self._write(step=epoch, summary=Summary(value=values))

    def _write(self, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        with self.file.open("ab") as file:
            RecordWriter(file).write(Event(wall_time=time.time(), **content).SerializeToString())
