"""Kill work at random moments, fill its disk, and let two write at once; compare what is resumed.

    .venv/bin/python benchmarks/interruptions.py [KIND …] [--kills 20] [--seed 0] [--write FILE]

KIND: ingest, convert, classify, labels, train; by default all. Each is done once undisturbed. Then,
as often as asked, it is started afresh, killed by SIGKILL with all its processes at a random moment
of its duration, and repeated (a training: resumed) to its end; the result must equal the
undisturbed one byte by byte, times of day apart. Then it runs in a file system without room (a
tmpfs; needs root), which is enlarged for the repetition, and twice at once in one workspace. Prints
a line for each trial and a table; exit code 1 if a result differs or a command ends with a
traceback.
"""

import csv
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples" / "ptb-xl"
N_RECORDS = 24
_PAGE_BYTES, ENOUGH_BYTES = 4096, 400_000_000
TIMES = {"created", "started", "finished", "seconds", "updated", "written", "when"}
Digest = dict[str, str]


@dataclass(frozen=True)
class Kind:
    """Work that can be interrupted.

    Attributes
    ----------
    command
        Words of the command, given the folder with ``home`` and ``data``.
    resume
        Words of the command that continues it, by default the same.
    needs_cohort
        Whether the cohort ``c`` is ingested before.
    result
        Files that make up the result, relative to the folder.
    """

    command: Callable[[Path], list[str]]
    result: tuple[str, ...]
    needs_cohort: bool = True
    resume: Callable[[Path], list[str]] | None = None


def _home(folder: Path) -> list[str]:
    return ["--home", str(folder / "home")]


KINDS = {
    "ingest": Kind(
        lambda at: ["ingest", str(at / "data"), "--cohort", "c", "--workers", "1", *_home(at)],
        ("home/cohorts/c/shards/*/*", "home/cohorts/c/private/*"),
        needs_cohort=False,
    ),
    "convert": Kind(
        lambda at: ["convert", "--cohort", "c", "--to", str(at / "out"), *_home(at)],
        ("out/**/*.csv", "out/**/*.png"),
    ),
    "classify": Kind(
        lambda at: [
            *("classify", str(at / "data"), "--run", "resnet1d_scaled", "--to", str(at / "out")),
            *("--workers", "1", *_home(at)),
        ],
        ("out/parts/*",),
    ),
    "labels": Kind(
        lambda at: ["label", "import", "c", str(at / "labels.csv"), "--who", "x", *_home(at)],
        ("home/cohorts/c/labels/**/*.parquet",),
    ),
    "train": Kind(
        lambda at: [
            *("train", "--cohort", "c", "--model", "resnet1d", "--width", "4", "--level", "all"),
            *("--epochs", "3", "--batch-size", "4", "--device", "cpu", *_home(at)),
        ],
        ("home/runs/*/weights.safetensors", "home/runs/*/predictions.parquet"),
        resume=lambda at: ["runs", "resume", *_run_ids(at), *_home(at)],
    ),
}


def _run_ids(folder: Path) -> list[str]:
    return [path.parent.name for path in (folder / "home" / "runs").glob("*/run.json")]


def start(words: list[str], log: Path) -> subprocess.Popen:
    """Start a command in a session of its own."""
    with log.open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "ecgcore", *words],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "ECGCORE_TRAINING_THREADS": "1"},
        )


def run(words: list[str], log: Path) -> int:
    """Run a command to its end; a traceback is the end of this benchmark."""
    code = start(words, log).wait()
    if "Traceback" in log.read_text():
        raise SystemExit(f"{' '.join(words[:2])}: a traceback\n{log.read_text()[-1500:]}")
    return code


def prepare(folder: Path, kind: Kind) -> None:
    """Write the records, a table of labels and, where needed, the cohort into a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "home").mkdir()
    (folder / "home" / "patient.key").write_bytes(bytes(32))
    headers = sorted(EXAMPLES.rglob("*.hea"))[:N_RECORDS]
    (folder / "data").mkdir()
    shutil.copy(EXAMPLES / "ptbxl_database.csv", folder / "data")
    for header in headers:
        for file in (header, header.with_suffix(".dat")):
            shutil.copy2(file, folder / "data")
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["record", "AF", "reader"])
        writer.writerows([[h.stem, n % 2, n % 3] for n, h in enumerate(headers)])
    if kind.needs_cohort:
        code = run(KINDS["ingest"].command(folder), folder / "log")
        if code:
            raise SystemExit((folder / "log").read_text())


def digest(folder: Path, kind: Kind) -> Digest:
    """Return the hash of each file of the result."""
    found = {}
    for pattern in kind.result:
        for path in sorted(folder.glob(pattern)):
            if path.is_file():
                content = _hash(path, folder)
                found[_name(path.relative_to(folder), content)] = content
    return found


def _name(path: Path, content: str) -> str:
    """Return by what a file is compared: runs' names hold a time, equal versions count once."""
    if "labels" in path.parts:
        return content
    return path.name if "runs" in path.parts else str(path)


def _hash(path: Path, folder: Path) -> str:
    if path.suffix == ".parquet":
        import pandas as pd

        table = pd.read_parquet(path).drop(columns=list(TIMES), errors="ignore")
        text = table.astype(str).to_csv().replace(str(folder), "")
        return hashlib.sha256(text.encode()).hexdigest()
    if path.suffix == ".json":
        content = json.loads(path.read_text())
        kept = {key: value for key, value in content.items() if key not in TIMES}
        return hashlib.sha256(json.dumps(kept).encode()).hexdigest()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def finish(folder: Path, kind: Kind) -> int:
    """Repeat or resume the work to its end."""
    is_begun = kind.resume is not None and _run_ids(folder)
    words = kind.resume(folder) if is_begun and kind.resume else kind.command(folder)
    code = run(words, folder / "log")
    if is_begun and code and "done" in (folder / "log").read_text():
        return 0  # it was at its end already
    return code


def fresh(base: Path, at: Path) -> None:
    """Replace the folder ``at`` by the prepared one."""
    shutil.rmtree(at, ignore_errors=True)
    shutil.copytree(base, at, symlinks=True)


def kill_once(base: Path, at: Path, kind: Kind, seconds: float, dice: random.Random) -> str:
    """Kill the work at a random moment and finish it; return when it was killed."""
    fresh(base, at)
    process, moment = start(kind.command(at), at / "log"), dice.uniform(0, seconds)
    try:
        process.wait(moment)
        ended = "at its end"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        ended = f"after {moment:.1f} s"
    finish(at, kind)
    return ended


def full_disk(base: Path, at: Path, kind: Kind) -> tuple[str, Path]:
    """Do the work in a full file system, enlarge it, and finish."""
    shutil.rmtree(at, ignore_errors=True)
    at.mkdir()
    files = [path for path in base.rglob("*") if path.is_file()]
    pages = sum(-(-path.stat().st_size // _PAGE_BYTES) for path in files)
    small = f"size={(pages + 1) * _PAGE_BYTES}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", small, "tmpfs", str(at)], check=True)
    work = at / "work"
    shutil.copytree(base, work, symlinks=True)
    log = at.with_suffix(".log")
    code = start(kind.command(work), log).wait()
    line = log.read_text().strip().splitlines()[-1:] or [""]
    if "Traceback" in log.read_text():
        line = ["TRACEBACK"]
    remount = f"remount,size={ENOUGH_BYTES}"
    subprocess.run(["mount", "-o", remount, str(at)], check=True)
    finish(work, kind)
    return f"exit {code}: {line[0][:160]}", work


def two_at_once(base: Path, at: Path, kind: Kind) -> str:
    """Start the work twice at once; return how both ended."""
    fresh(base, at)
    logs = (at / "log1", at / "log2")
    both = [start(kind.command(at), log) for log in logs]
    codes = [process.wait() for process in both]
    texts = [log.read_text() for log in logs]
    if any("Traceback" in text for text in texts):
        return f"TRACEBACK {codes}"
    lines = [text.strip().splitlines()[-1][:120] for text in texts if text.strip()]
    refused = [line for line, code in zip(lines, codes, strict=False) if code]
    return f"exit {codes[0]} and {codes[1]}" + (f": {refused[0]}" if refused else "")


def trial(name: str, n_kills: int, dice: random.Random, root: Path) -> dict:
    """Interrupt one kind of work in all ways."""
    kind, base, at = KINDS[name], root / f"{name}-base", root / name
    prepare(base, kind)
    fresh(base, at)
    began = time.monotonic()
    if code := run(kind.command(at), at / "log"):
        raise SystemExit(f"{name}: exit {code}\n{(at / 'log').read_text()}")
    seconds, expected = time.monotonic() - began, digest(at, kind)
    if not expected:
        raise SystemExit(f"{name}: no result")
    equal = early = 0
    for number in range(n_kills):
        ended = kill_once(base, at, kind, seconds, dice)
        is_equal = digest(at, kind) == expected
        equal, early = equal + is_equal, early + ended.startswith("after")
        print(f"{name} {number + 1}: killed {ended}, {'equal' if is_equal else 'DIFFERENT'}")
        sys.stdout.flush()
    full, work = "not tried (not root)", at
    if os.geteuid() == 0:
        try:
            full, work = full_disk(base, root / f"{name}-full", kind)
            full += "; then equal" if digest(work, kind) == expected else "; then DIFFERENT"
        finally:
            subprocess.run(["umount", str(root / f"{name}-full")], check=False)
    two = two_at_once(base, at, kind)
    digests = digest(at, kind)
    is_same = digests == expected or (name == "train" and len(digests) == len(expected))
    two += "; result equal" if is_same else "; result DIFFERENT"
    row = {"kills": early, "trials": n_kills, "equal": equal, "full disk": full, "two": two}
    print(name, row, flush=True)
    return row


def main() -> int:
    """Interrupt the kinds of work that are named."""
    words = sys.argv[1:]
    options = {
        key: words[words.index(key) + 1] for key in ("--kills", "--seed", "--write") if key in words
    }
    names = [word for word in words if word in KINDS] or list(KINDS)
    dice = random.Random(int(options.get("--seed", 0)))
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            rows[name] = trial(name, int(options.get("--kills", 20)), dice, Path(folder))
    text = page(rows)
    print(text)
    if "--write" in options:
        Path(options["--write"]).write_text(text, "utf-8")
    return int(any(word in text for word in ("DIFFERENT", "TRACEBACK")))


def page(rows: dict[str, dict]) -> str:
    """Return the table."""
    lines = [
        "| work | killed | resumed result equal | disk full | two at once |",
        "|---|--:|--:|---|---|",
    ]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {row['kills']} of {row['trials']} | {row['equal']} of {row['trials']} | "
            f"{row['full disk']} | {row['two']} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
