"""``ecgcore doctor``: what a file is, what its reading rests on, and a report without names."""

import json
import sys

import numpy as np
import pytest
from planted import plant, traces
from recordings import EXAMPLES
from vendor_person import PERSON

from ecgcore import cli
from ecgcore.measurement.examine_files import EVIDENCE, examine_files
from ecgcore.records.read import read_record
from ecgcore.records.record import LEADS

HEADER = next(EXAMPLES.rglob("00147_lr.hea"))


def write_csv(path, signal_mv, name_of_first="I"):
    names = ",".join([name_of_first, *LEADS[1:]])
    rows = "\n".join(",".join(f"{mv:.3f}" for mv in sample) for sample in signal_mv.T)
    path.write_text(f"{names}\n{rows}\n")
    return path


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs ``ecgcore doctor`` here: exit code and stdout."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["ecgcore", "doctor", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        return code, capsys.readouterr().out

    return run


def test_a_sound_file_is_described_with_what_its_reading_rests_on():
    [answer] = examine_files([HEADER])
    assert (answer["format"], answer["reader"], answer["error"]) == ("wfdb", "wfdb", None)
    assert (answer["leads"], answer["samples"]) == (list(LEADS), 1000)
    assert (answer["fs_hz"], answer["duration_s"]) == (100, 10)
    assert tuple(answer["evidence"]) == EVIDENCE
    assert answer["gate"] == "passes"
    assert answer["versions"]["ecgcore"] in answer["report"]
    assert "12 leads x 10 s at 100 Hz; rate from its header" in answer["report"]


def test_gate_notes_and_gaps_are_stated(tmp_path):
    signal_mv = read_record(HEADER).signal_mv.copy()
    signal_mv[:, 400:600] = 0
    [answer] = examine_files([write_csv(tmp_path / "x_100hz.csv", signal_mv)])
    gap = "2.0 s missing (from 4.0 s): intervals across it are not counted"
    assert gap in answer["notes"]
    assert (answer["gate"], answer["reasons"]) == ("doubtful", [f"gap: {gap}"])
    assert "gate doubtful (gap)" in answer["report"]


def test_a_refusal_is_an_answer_with_the_exit_code_of_a_wrong_request(run, tmp_path):
    (tmp_path / "Maier_Anna.pdf").write_bytes(b"%PDF-1.7")
    code, out = run(tmp_path / "Maier_Anna.pdf", "--json")
    answer = json.loads(out)
    assert code == 2
    assert (answer["format"], answer["reader"], answer["gate"]) == ("document", None, "refused")
    assert "Maier_Anna.pdf is a document" in answer["error"]
    assert "Maier" not in answer["report"]
    assert "is a document" in answer["report"]


def test_the_text_has_a_line_for_each_finding_and_ends_in_the_report(run):
    code, out = run(HEADER)
    words = [line.split()[0] for line in out.splitlines()[1:]]
    assert code == 0
    assert words == ["format", "signal", *EVIDENCE, "gate", "versions", "report"]


def test_no_report_of_any_format_holds_a_name(tmp_path):
    plant(tmp_path / PERSON.family, f"{PERSON.family}_{PERSON.given}_")
    refused = tmp_path / f"{PERSON.family}.csv"
    refused.write_text(f"{PERSON.given};1\n")
    answers = list(examine_files([tmp_path / PERSON.family, refused]))
    assert len(answers) > 10
    assert {bool(answer["error"]) for answer in answers} == {True, False}
    assert [answer["path"] for answer in answers if traces(answer["report"].encode())] == []


def test_a_quoted_word_of_a_file_stays_out_of_the_report(tmp_path):
    path = write_csv(tmp_path / "a_100hz.csv", np.ones((12, 300)), PERSON.family)
    [answer] = examine_files([path])
    assert answer["error"]
    assert not traces(answer["report"].encode())
