"""An archive that the product has no code for, with a spreadsheet: from files to a trained network.

    .venv/bin/python benchmarks/own_labels.py [--data data/ptb-xl] [--to FOLDER] [--epochs N]

Four hundred recordings of PTB-XL under other names, in folders of patients, without any statement;
and a workbook as a ward keeps it: invented column names, yes, 1 and TRUE mixed, five rows in a
hundred about recordings that are not there, three rows twice. Every command is run as a stranger
would; what was said is written to docs/own_labels.json, from which the figures of
docs/own_labels.md are taken. Also timed: tables of 200,000 rows.
"""

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "docs" / "own_labels.json"
RECORDS, UNMATCHED, REPEATED = 400, 20, 3
FINDINGS = {"AFIB": "Flimmern?", "PACE": "SM", "1AVB": "AVB I"}
"""PTB-XL's statements that nobody foresaw as classes, and the ward's column names."""
YES, NO = ("yes", "1", "TRUE", "x"), ("no", "0", "FALSE")
EACH = 70
"""Records drawn for each finding; the others have none of them."""


def main() -> None:
    """Make the archive, run the commands and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "ptb-xl")
    parser.add_argument("--to", type=Path, default=Path("own_labels"))
    parser.add_argument("--epochs", type=int, default=8)
    arguments = parser.parse_args()
    shutil.rmtree(arguments.to, ignore_errors=True)
    chosen = choose(pd.read_csv(arguments.data / "ptbxl_database.csv"))
    names = write_archive(chosen, arguments.data, arguments.to / "archive")
    write_workbook(chosen, names, arguments.to / "ward.xlsx")
    answer = {"way": run_way(arguments.to, arguments.epochs)}
    answer["tables"] = time_tables(arguments.to)
    RESULT.write_text(json.dumps(answer, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(json.dumps(answer, indent=1, ensure_ascii=False))


def choose(table: pd.DataFrame) -> pd.DataFrame:
    """Return 400 records: up to 70 of each finding, the others without any of them."""
    stated = {code: table["scp_codes"].str.contains(f"'{code}'", regex=False) for code in FINDINGS}
    drawn = [table[is_stated].sample(EACH, random_state=1) for is_stated in stated.values()]
    none = table[~pd.concat(stated, axis=1).any(axis=1)]
    together = pd.concat(drawn).drop_duplicates("ecg_id")
    rest = none.sample(RECORDS - len(together), random_state=1)
    both = pd.concat([together, rest]).sample(frac=1, random_state=2).reset_index(drop=True)
    return both.assign(
        **{code: both["scp_codes"].str.contains(f"'{code}'", regex=False) for code in FINDINGS}
    )


def write_archive(chosen: pd.DataFrame, data: Path, to: Path) -> list[str]:
    """Copy the recordings under other names into folders of patients; return their names."""
    names = []
    for i, row in chosen.iterrows():
        old, name = data / row["filename_lr"], f"EKG_{i + 1:05d}"
        folder = to / f"p{int(row['patient_id']):06d}"
        folder.mkdir(parents=True, exist_ok=True)
        header = old.with_suffix(".hea").read_text()
        (folder / f"{name}.hea").write_text(header.replace(old.name, name))
        shutil.copyfile(old.with_suffix(".dat"), folder / f"{name}.dat")
        names.append(name)
    return names


def write_workbook(chosen: pd.DataFrame, names: list[str], file: Path) -> None:
    """Write the ward's workbook."""
    rng = random.Random(3)
    rows = []
    for name, row in zip(names, chosen.to_dict("records"), strict=True):
        cells = {"Aufnahme": f"{name}.hea"}
        for code, title in FINDINGS.items():
            mark = rng.choice(YES if row[code] else NO)
            cells[title] = {"1": 1, "0": 0, "TRUE": True, "FALSE": False}.get(mark, mark)
        alter = row["age"] if row["age"] < 90 else 90
        cells |= {"Alter": alter, "Tag": row["recording_date"][:10], "Bemerkung": "Frau M."}
        rows.append(cells)
    unknown = [r | {"Aufnahme": f"EKG_9{i:04d}.hea"} for i, r in enumerate(rows[:UNMATCHED])]
    table = pd.DataFrame([*rows, *unknown, *rows[50 : 50 + REPEATED]])
    table.sample(frac=1, random_state=4).to_excel(file, index=False)


def run_way(to: Path, epochs: int) -> list[dict]:
    """Run the stranger's commands; return each with its seconds and its answer."""
    home = ["--home", str(to / "home")]
    commands = [
        [
            "ingest",
            str(to / "archive"),
            "--cohort",
            "ward",
            "--patient-from",
            r"/p(\d+)/",
            "--no-measure",
        ],
        ["label", "import", "ward", str(to / "ward.xlsx"), "--age-column", "Alter"],
        ["label", "new", "rhythm", "--from", "ward"],
        [
            *("train", "--cohort", "ward", "--label-set", "rhythm", "--level", "all"),
            *("--model", "resnet1d", "--depth", "8", "--width", "24", "--epochs", str(epochs)),
        ],
    ]
    return [_run([*command, *home, "--json"]) for command in commands]


def _run(command: list[str]) -> dict:
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "ecgcore", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = " ".join(word for word in command if word != "--json")
    answer = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}
    return {
        "command": f"ecgcore {shown}",
        "exit": done.returncode,
        "error": done.stderr.strip()[-300:] if done.returncode else "",
        "wall_s": round(time.monotonic() - started, 1),
        "processor_s": round(
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1
        ),
        "answer": _short(answer),
    }


def _short(answer: dict) -> dict:
    """Return the figures of an answer without its lists."""
    if "metrics" in answer:
        metrics = answer["metrics"]
        classes = {code: metrics["classes"][code]["auc"] for code in metrics["classes"]}
        return {"n": metrics["n"], "macro_auc": metrics["macro_auc"], "classes": classes}
    kept = (
        "found",
        "read",
        "rows",
        "matched",
        "n_unmatched",
        "records",
        "n_without_row",
        "repeated",
    )
    short = {name: answer[name] for name in (*kept, "findings", "classes") if name in answer}
    if "found" in answer:
        short.pop("classes", None)
    if "unmatched" in answer:
        short["unmatched_told"] = len(answer["unmatched"])
        short["columns"], short["unused"] = answer["columns"], answer["unused"]
    return short


def time_tables(to: Path, rows: int = 200_000) -> list[dict]:
    """Return processor time and memory of a dry run with 200,000 rows of six columns."""
    records = [f"EKG_{i:05d}" for i in range(1, rows + 1)]
    rng = random.Random(5)
    table = pd.DataFrame({"Aufnahme": records})
    for title in ("AF", "SM", "AVB", "LSB"):
        table[title] = rng.choices(["yes", "no", "", "1", "0"], k=rows)
    table["Alter"] = rng.choices(range(18, 95), k=rows)
    timed = []
    for name in ("big.csv", "big.xlsx", "big.parquet"):
        file = to / name
        {
            ".csv": lambda f: table.to_csv(f, index=False),
            ".xlsx": lambda f: table.to_excel(f, index=False),
            ".parquet": lambda f: table.astype(str).to_parquet(f),
        }[file.suffix](file)
        timed.append(
            _timed(
                [
                    "label",
                    "import",
                    "ward",
                    str(file),
                    "--record-column",
                    "Aufnahme",
                    "--dry-run",
                    "--json",
                ],
                to,
                name,
            )
        )
    return timed


def _timed(command: list[str], to: Path, name: str) -> dict:
    """Run a command in a process of its own; return its processor time and largest memory."""
    script = (
        "import resource, sys\nfrom ecgcore import cli\n"
        f"sys.argv = ['ecgcore', *{[*command, '--home', str(to / 'home')]!r}]\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "use = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(use.ru_utime + use.ru_stime, use.ru_maxrss, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    seconds, kilobytes = map(float, done.stderr.split()[-2:])
    answer = json.loads(done.stdout.splitlines()[-1])
    return {
        "table": name,
        "rows": answer["rows"],
        "matched": answer["matched"],
        "processor_s": round(seconds, 1),
        "memory_mb": round(kilobytes / 1000),
    }


if __name__ == "__main__":
    main()
