"""A name in any identifying field of any format ends up nowhere except in the private table.

The path may be stored there, and printed by a command to the caller's own stdout.
"""

import contextlib
import json
import sys
from dataclasses import replace

import pandas as pd
import pytest
from planted import WORDS, plant, traces
from vendor_person import PERSON

from ecgcore import cli
from ecgcore.records.read import read_record

SHIPPED = "alexnet_m_se_gap"


@pytest.fixture
def run(monkeypatch, capfd, tmp_path):
    """Return a function that runs a command in this process and returns what it printed."""
    monkeypatch.setenv("ECGCORE_HOME", str(tmp_path / "home"))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["ecgcore", *map(str, arguments)])
        with contextlib.suppress(SystemExit):
            cli.main()
        output = capfd.readouterr()
        return output.out, output.err

    return run


def traces_in_file(file) -> list[str]:
    """Return the traces of the person in a file, a compressed table's cells included."""
    inside = traces(file.read_bytes()) + traces(file.name)
    if file.suffix == ".parquet":
        inside += traces(pd.read_parquet(file).to_csv())
    return inside


def test_planted_names_would_be_found(tmp_path):
    files = plant(tmp_path / "in", "x")
    assert len(files) == 16
    plain = [file for file in files if file.suffix not in (".mat", ".xml", ".zip")]
    assert [file.name for file in plain if not traces_in_file(file)] == []
    pd.DataFrame({"a": [PERSON.family] * 1000}).to_parquet(tmp_path / "a.parquet")
    assert set(traces_in_file(tmp_path / "a.parquet")) == {PERSON.family.lower()}
    assert PERSON.doctor.lower() in WORDS


def test_no_name_is_in_a_cohort_except_in_its_private_table(run, tmp_path):
    person = f"{PERSON.family}_{PERSON.given}_"
    plant(tmp_path / "in", person)
    (tmp_path / "in" / f"{person}.pdf").write_bytes(b"%PDF-1.7")
    out, err = run(
        *("ingest", tmp_path / "in", "--cohort", "x", "--workers", "1", "--upsample", "--json")
    )
    answer = json.loads(out.splitlines()[-1])
    assert (answer["found"], answer["read"]) == (17, 16)
    assert traces(err) == []
    rejected = [{**row, "path": "", "reason": ""} for row in answer["rejected"]]
    assert traces(json.dumps(answer | {"rejected": rejected})) == []
    for command in (("label", "audit", "x"), ("cohorts",)):
        assert traces("".join(run(*command, "--json"))) == []
    files = [file for file in (tmp_path / "home").rglob("*") if file.is_file()]
    private = [file for file in files if file.parent.name == "private"]
    names = {file.name for file in files}
    assert {"cohort.json", "index.parquet", "measures.parquet", "signals.npy"} <= names
    assert [file.name for file in files if file not in private and traces_in_file(file)] == []
    assert [file for file in private if file.stat().st_mode & 0o077] == []


def test_no_name_is_in_the_output_of_commands(run, tmp_path):
    files = plant(tmp_path / "in", "x")
    for command in (("classify", "--run", SHIPPED), ("measure",)):
        out, err = run(command[0], tmp_path / "in", *command[1:], "--json")
        answers = [json.loads(line) for line in out.splitlines()]
        assert [answer["error"] for answer in answers] == [None] * 16
        assert traces(out) + traces(err) == []
    printed = "".join(run("explain", files[0], "--run", SHIPPED, "--json"))
    printed += "".join(run("label", "explain", files[2], "--json"))
    assert json.loads(printed.splitlines()[0])["lead_relevance"]
    for file in (files[0], files[10]):
        printed += "".join(run("page", file, "--to", tmp_path / f"{file.stem}.svg"))
    assert traces(printed) == []
    assert len(list(tmp_path.glob("*.svg"))) == 2
    assert {
        page.name: traces_in_file(page) for page in tmp_path.glob("*.svg") if traces_in_file(page)
    } == {}


def test_no_name_is_in_the_record_of_any_format(tmp_path):
    for file in plant(tmp_path / "in", "x"):
        record = replace(read_record(file), patient=None)  # stored as a keyed hash
        assert traces(repr(record) + repr(vars(record))) == [], file.name
