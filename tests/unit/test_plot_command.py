"""``ecgcore plot``: any stretch of any record, as a file, or one line with the reason."""

import re
import sys

import pytest
from recordings import EXAMPLES, limb_consistent_uv, write_wfdb

from ecgcore import cli

RECORD = EXAMPLES / "records100" / "03000" / "03932_lr.hea"


@pytest.fixture
def plot(monkeypatch, capsys):
    """Return a function that runs the command in this process: (exit code, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["ecgcore", "plot", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, capsys.readouterr().err

    return run


def test_a_page_shows_measurements_as_unconfirmed_by_default(plot, tmp_path):
    file = tmp_path / "ecg.svg"
    assert plot(RECORD, "--to", file)[0] == 0
    assert "Automatic, unconfirmed:" in file.read_text()
    assert plot(RECORD, "--to", file, "--no-measure")[0] == 0
    assert "unconfirmed" not in file.read_text()


def test_all_choices_reach_the_page(plot, tmp_path):
    file = tmp_path / "ecg.svg"
    choices = (
        *("--layout", "3x4", "--order", "cabrera", "--rhythm", "V1,V5", "--speed-mm-s", "50"),
        *("--gain-mm-mv", "20", "--filter", "0.5-40", "--paper", "fit", "--theme", "dark"),
    )
    assert plot(RECORD, "--to", file, *choices)[0] == 0
    svg = file.read_text()
    assert "50 mm/s · 20 mm/mV · 100 Hz · display filter from 0.5 Hz to 40 Hz" in svg
    assert "−aVR" in svg
    assert "above rhythm strips of V1, V5" in svg
    assert "0 to 5 s of 10 s" in svg
    assert "#14161A" in svg
    assert plot(RECORD, "--to", file, "--rhythm", "none")[0] == 0
    assert svg.count(">II<") == 1


def test_a_stretch_of_a_long_record_is_shown_and_stated(plot, tmp_path):
    header = write_wfdb(tmp_path, "A0001", limb_consistent_uv(60_000), fs_hz=1000)
    file = tmp_path / "ecg.svg"
    assert plot(header, "--to", file, "--start-s", "40", "--duration-s", "15")[0] == 0
    assert "· 40 to 55 s ·" in file.read_text()
    assert plot(header, "--to", file, "--duration-s", "60", "--layout", "12x1")[0] == 0
    assert "· 0 to 60 s ·" in file.read_text()
    code, err = plot(header, "--to", file, "--start-s", "61")
    assert code == 2
    assert "there is nothing from 61 s on" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layout", "6x"), "There is no page layout '6x'. Did you mean '6x2'?"),
        (("--rhythm", "V7"), "There is no lead 'V7'."),
        (("--speed-mm-s", "20"), "Paper speed 20 mm/s is not on ECG paper"),
        (("--paper", "a4", "--gain-mm-mv", "20", "--layout", "12x1"), "a4 in landscape holds"),
    ],
)
def test_a_wrong_choice_is_one_line_and_no_file(plot, tmp_path, arguments, message):
    code, err = plot(RECORD, "--to", tmp_path / "ecg.pdf", *arguments)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "ecg.pdf").exists()


def test_a_file_s_own_name_stands_on_the_page_only_if_asked_for(plot, tmp_path):
    named = tmp_path / "Petersen_Waltraud.hea"
    named.write_text(RECORD.read_text().replace("03932_lr", "Petersen_Waltraud"))
    named.with_suffix(".dat").write_bytes(RECORD.with_suffix(".dat").read_bytes())
    file = tmp_path / "ecg.svg"
    assert plot(named, "--to", file)[0] == 0
    assert "Petersen" not in file.read_text()
    assert plot(named, "--to", file, "--title", "Case 7")[0] == 0
    assert ">Case 7" in file.read_text()
    assert plot(RECORD, "--to", file)[0] == 0
    assert "Record 03932_lr" in file.read_text()


def test_a_short_stretch_shows_the_measurements_of_the_whole_recording(plot, tmp_path):
    full, cropped = tmp_path / "whole.svg", tmp_path / "part.svg"
    assert plot(RECORD, "--to", full)[0] == 0
    assert plot(RECORD, "--to", cropped, "--start-s", "8")[0] == 0
    measurements = re.compile(r"> ?((?:Rate|PR|QRS|QT) [^<]+)<")
    assert measurements.findall(cropped.read_text()) == measurements.findall(full.read_text()) != []


def test_no_name_of_a_lead_is_cut_by_the_paper_s_edge(plot, tmp_path):
    file = tmp_path / "ecg.svg"
    assert plot(EXAMPLES / "records100/00000/00147_lr.hea", "--to", file)[0] == 0
    names = re.findall(r'y="(-?[\d.]+)"[^>]*>V4<', file.read_text())
    assert names
    assert min(map(float, names)) > 2.6
