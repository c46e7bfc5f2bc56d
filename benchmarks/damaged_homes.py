"""Damage each file of a home in each way; open every page and run commands on it.

    .venv/bin/python benchmarks/damaged_homes.py [--sample N] [--seed 0] [--write FILE] [--no-pages]

The home is tests/data/workspace-0.1.0: a cohort and two finished runs, written by version 0.1.0.
Of all pairs of a file and a damage, N are drawn (default: all, some hours). A fault is an error
that is no line, more than one line on a refusal, an exception on a page, or a whole run or cohort
that is no longer listed. Prints the faults; exit code 1 if there are any.
"""

import contextlib
import io
import logging
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "tests" / "data" / "workspace-0.1.0"
RECORD = ROOT / "tests" / "data" / "ptb-xl" / "records100" / "00000" / "00001_lr.hea"
ENTRY = ROOT / "dashboard" / "streamlit_app.py"
FIRST = "20261201-040220-resnet1d-small-all-s1-5b1f"
SECOND = "20261201-040335-resnet1d-small-all-s2-2466"
PAGES = ("overview", "browse", "train", "compare", "classify", "saliency")
DAMAGES = {
    "cut": lambda content: content[: len(content) // 2],
    "emptied": lambda content: b"",
    "[]": lambda content: b"[]\n",
    "NaN": lambda content: b"NaN\n",
    "a string": lambda content: b'"text"\n',
    "10 MB of zeros": lambda content: bytes(10_000_000),
    "another version": lambda content: content.replace(b'"0.1.0"', b'"99.0.0"').replace(
        b'"ecgcore"', b'"x"'
    ),
    "other numbers": lambda content: content.replace(b"1", b"9" * 30, 1),
}
COMMANDS = (
    ("runs", "list"),
    ("runs", "show", FIRST),
    ("cohorts",),
    ("classify", str(RECORD), "--run", FIRST),
    ("evaluate", FIRST),
    ("compare", FIRST, SECOND),
    ("calibrate", FIRST),
    ("label", "audit", "small"),
    ("convert", "--cohort", "small", "--to", "{home}/out"),
    ("ingest", str(RECORD.parents[2]), "--cohort", "small", "--workers", "1"),
    ("doctor",),
)


def files() -> list[str]:
    """Return the files of the home that the product reads."""
    paths = (path for path in HOME.rglob("*") if path.is_file())
    names = (str(path.relative_to(HOME)) for path in paths)
    return sorted(name for name in names if name != "SOURCE.md" and "b3a1" not in name)


def run(words: tuple[str, ...], home: Path) -> tuple[int | str, str, str]:
    """Run a command in this process; return exit code or error, stdout and stderr."""
    from ecgcore.cli import main

    words = tuple(word.format(home=home) if "{home}" in word else word for word in words)
    sys.argv = ["ecgcore", *words, "--home", str(home)]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            code: int | str = 0
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException as error:  # noqa: BLE001 - whatever comes is what is looked for
            code = f"{type(error).__name__}: {error}"[:200]
    return code, out.getvalue(), err.getvalue()


def command_faults(home: Path, damaged: str) -> list[str]:
    """Return what is wrong with the commands' answers."""
    faults = []
    for words in COMMANDS:
        code, out, err = run(words, home)
        lines = [line for line in err.splitlines() if line.strip()]
        name = " ".join(words[:2])
        if isinstance(code, str):
            faults.append(f"{name}: {code}")
        elif code and words[0] != "doctor" and len(lines) != 1 and not out:
            faults.append(f"{name}: exit {code}, {len(lines)} lines: {lines[:2]}")
        if words == ("runs", "list") and FIRST not in damaged and FIRST not in out:
            faults.append(f"{name}: {FIRST} is not listed")
        if words == ("runs", "list") and SECOND not in damaged and SECOND not in out:
            faults.append(f"{name}: {SECOND} is not listed")
    return faults


def page_faults(home: Path) -> list[str]:
    """Return the exceptions that the pages show."""
    import streamlit as st
    from streamlit.testing.v1 import AppTest

    os.environ["ECGCORE_HOME"] = str(home)
    faults = []
    for page in PAGES:
        st.cache_data.clear()
        st.cache_resource.clear()
        app = AppTest.from_file(str(ENTRY), default_timeout=600)
        try:
            app.switch_page(f"app_pages/{page}.py").run()
        except Exception as error:  # noqa: BLE001 - whatever comes is what is looked for
            faults.append(f"{page}: {type(error).__name__}: {error}"[:200])
            continue
        faults += [f"{page}: {one.value}"[:200] for one in app.exception]
    return faults


def main() -> int:
    """Damage, look, report."""
    words = sys.argv[1:]
    options = {
        key: words[words.index(key) + 1]
        for key in ("--sample", "--seed", "--write")
        if key in words
    }
    has_pages = "--no-pages" not in words
    logging.disable(logging.CRITICAL)
    pairs = [(file, damage) for file in files() for damage in DAMAGES]
    n_pairs = int(options.get("--sample", len(pairs)))
    chosen = random.Random(int(options.get("--seed", 0))).sample(pairs, min(n_pairs, len(pairs)))
    faults, counts, began_s = [], Counter[str](), time.process_time()
    for number, (file, damage) in enumerate(chosen, 1):
        with tempfile.TemporaryDirectory() as temporary:
            home = Path(temporary) / "home"
            shutil.copytree(HOME, home, ignore=shutil.ignore_patterns("*b3a1"))
            path = home / file
            path.write_bytes(DAMAGES[damage](path.read_bytes()))
            found = page_faults(home) if has_pages else []
            found += command_faults(home, file)
        counts["homes"] += 1
        faults += [f"{file}, {damage}: {fault}" for fault in found]
        print(f"{number} of {len(chosen)}: {file}, {damage}: {found or 'fine'}", flush=True)
    n_pages = len(PAGES) if has_pages else 0
    text = (
        f"{counts['homes']} damaged homes of {len(pairs)} possible ({len(files())} files, "
        f"{len(DAMAGES)} damages), {len(COMMANDS)} commands and {n_pages} pages each: "
        f"{len(faults)} faults; {time.process_time() - began_s:.0f} s of processor time.\n"
        + "".join(f"* {fault}\n" for fault in faults)
    )
    print(text)
    if "--write" in options:
        Path(options["--write"]).write_text(text, "utf-8")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
