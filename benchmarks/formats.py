"""Write docs/formats.md: answers of the shipped networks to files of every format, or refusals.

.venv/bin/python benchmarks/formats.py --data data/formats
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ecgcore.evaluation.markdown import table
from ecgcore.inference.classify import classify_paths
from ecgcore.inference.model import Classifier, load_model
from ecgcore.records.read import ReadOptions
from ecgcore.runs.run import shipped_models
from ecgcore.workspace import Workspace

PAGE = Path(__file__).resolve().parents[1] / "docs" / "formats.md"
OPTIONS = ReadOptions(source_fs_hz=500)
HEAD = """# Answers of the shipped networks to files of every format

{records} records in {files} files, from many makers and programs, some of them broken on purpose.
{answered} are answered, {refused} are refused with the reason. An answer is the most probable
class and its calibrated probability, in brackets if it is below its threshold; *refer* lists the
classes in their uncertain range; *gate* is the quality gate's verdict, which says whether an
answer may be relied on at all. For files that do not state their sampling rate one was supplied:
`ecgcore classify data/formats --source-fs-hz 500`. The true diagnosis of most of these recordings
is unknown, so nothing here is right or wrong. Research use only.
Written by `python benchmarks/formats.py`.

"""


def main() -> None:
    """Classify with every shipped network, and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="a folder of ECG files")
    data, workspace = parser.parse_args().data, Workspace.find()
    networks = {run.id: load_model(run.id, workspace) for run in shipped_models()}
    answers = (classify_paths([data], network, OPTIONS) for network in networks.values())
    rows = list(zip(*answers, strict=True))
    read = [row for row in rows if any(answer["error"] is None for answer in row)]
    refused = [row for row in rows if row not in read]
    text = HEAD.format(
        records=len(rows),
        files=len({_file(row, data) for row in rows}),
        answered=len(read),
        refused=len(refused),
    )
    text += table(("format", "answered", "refused"), _by_format(data, read, refused))
    text += "\n## Answered\n\n" + table(
        ("record", "gate", *(f"`{name}`" for name in networks)),
        [
            (_file(row, data), row[0]["gate"], *map(_summary, row, networks.values()))
            for row in read
        ],
    )
    text += "\n## Refused\n\n" + table(
        ("record", "reason"), [(_file(row, data), row[0]["error"]) for row in refused]
    )
    PAGE.write_text(text, "utf-8")


def _file(row: Sequence[dict[str, Any]], data: Path) -> str:
    return str(Path(row[0]["path"]).relative_to(data))


def _by_format(data: Path, *groups: Sequence[Sequence[dict[str, Any]]]) -> list[tuple[object, ...]]:
    counts = [Counter(_file(row, data).split("/")[0] for row in rows) for rows in groups]
    return [(name, *(count[name] for count in counts)) for name in sorted(set().union(*counts))]


def _summary(answer: dict[str, Any], network: Classifier) -> str:
    """Return the most probable class, if above its threshold, and the uncertain classes."""
    if answer["error"]:
        return answer["error"]
    top, p = answer["top"], answer["probabilities"][answer["top"]]
    summary = f"{top} {p:.2f}" if p >= network.thresholds[top] else f"none called ({top} {p:.2f})"
    return f"{summary}, refer: {', '.join(answer['uncertain'])}" if answer["refer"] else summary


if __name__ == "__main__":
    main()
