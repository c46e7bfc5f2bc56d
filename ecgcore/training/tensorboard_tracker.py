"""TensorBoard's event files of a run."""

import re
import shutil
import time
from typing import Any

from ecgcore import RESEARCH_USE_ONLY
from ecgcore.runs.run import Run


class TensorBoard:
    """Event files, begun anew whenever the training goes on, so that they equal history.jsonl.

    Written at once: torch's SummaryWriter has a thread of its own, whose errors none can catch.
    """

    name = "TensorBoard"

    def __init__(self, run: Run) -> None:
        self.run = run
        self.folder = run.folder / "tensorboard"

    def begin(self, asked: dict[str, Any]) -> None:
        from tensorboard.plugins.text.summary_v2 import text_pb

        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.file = self.folder / f"events.out.tfevents.{time.time():.0f}.ecgcore"
        self.told = 0
        self._write(file_version="brain.Event:2")
        rows = "\n".join(f"| {name} | {value} |" for name, value in asked.items())
        text = f"{RESEARCH_USE_ONLY}\n\n| | |\n|---|---|\n| run | {self.run.id} |\n{rows}"
        self._write(summary=text_pb("run", text))

    def tell(self, rows: list[dict[str, float]]) -> None:
        for row in rows[self.told :]:
            self._numbers(row, int(row["epoch"]))
            self.told += 1

    def end(self, ending: str, scores: dict[str, float], epoch: int) -> None:
        self._numbers(scores, epoch)

    def _numbers(self, numbers: dict[str, float], epoch: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        tags = {re.sub("^(train|val|test)_", r"\1/", k): v for k, v in numbers.items()}
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in tags.items()]
        self._write(step=epoch, summary=Summary(value=values))

    def _write(self, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        with self.file.open("ab") as file:
            RecordWriter(file).write(Event(wall_time=time.time(), **content).SerializeToString())
