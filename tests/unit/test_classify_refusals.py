"""Inputs that other programs misread, through ``classify``: empty signals refused, leads right."""

import numpy as np
import pytest
from recordings import DATA, limb_consistent_uv, write_csv, write_wfdb
from scipy.io import savemat

from ecgcore.inference.classify import classify_paths
from ecgcore.inference.model import load_model
from ecgcore.records.read import read_record
from ecgcore.records.record import LEADS
from ecgcore.workspace import Workspace

RECORD = DATA / "ptb-xl" / "records100" / "00000" / "00001_lr.hea"


@pytest.fixture(scope="module")
def classify(tmp_path_factory):
    """Return a function that classifies a file with the shipped M-SE network."""
    classifier = load_model("alexnet_m_se_gap", Workspace(tmp_path_factory.mktemp("home")))

    def classify(path):
        (answer,) = classify_paths([path], classifier)
        return answer

    return classify


@pytest.fixture(scope="module")
def signal_uv():
    """Return (12, T) of a real record, in whole µV."""
    return np.rint(read_record(RECORD).signal_mv * 1000).astype(np.int16)


def nan_csv(folder, signal_uv):
    return write_csv(folder / "x_100hz.csv", np.full((1000, 12), np.nan))


def missing_samples(folder, signal_uv):
    return write_wfdb(folder, "x", np.full((12, 1000), -32768, np.int16), fs_hz=100)


def flat_csv(folder, signal_uv):
    return write_csv(folder / "x_100hz.csv", np.zeros((1000, 12)))


def missing_signal_file(folder, signal_uv):
    header = write_wfdb(folder, "x", signal_uv, fs_hz=100)
    header.with_suffix(".dat").unlink()
    return header


def eleven_leads_and_time(folder, signal_uv):
    table = np.column_stack([np.arange(1000) / 100, signal_uv[:11].T / 1000])
    return write_csv(folder / "x.csv", table, ",".join(("time", *LEADS[:11])))


def twelve_bare_columns_of_which_one_is_time(folder, signal_uv):
    table = np.column_stack([np.arange(1000) / 100, signal_uv[:11].T / 1000])
    return write_csv(folder / "x.csv", table, None)


def a_thousand_times_too_large(folder, signal_uv):
    table = signal_uv.T.astype(float)
    return write_csv(folder / "x_100hz.csv", table, "# unit=mV\n" + ",".join(LEADS))


def gain_a_thousand_times_too_small(folder, signal_uv):
    return write_wfdb(folder, "x", signal_uv, fs_hz=100, gain="1/mV")


def no_header_and_no_order(folder, signal_uv):
    return write_csv(folder / "x_100hz.csv", signal_uv[::-1].T / 1000, None)


def no_header_and_no_rate(folder, signal_uv):
    return write_csv(folder / "x.csv", signal_uv.T / 1000, None)


def mat_without_header(folder, signal_uv):
    savemat(folder / "x.mat", {"val": signal_uv})
    return folder / "x.mat"


@pytest.mark.parametrize(
    ("write_input", "reason"),
    [
        (nan_csv, "no signal in any lead"),
        (missing_samples, "no signal in any lead"),
        (flat_csv, "is flat: no lead ever changes its value"),
        (missing_signal_file, "x.dat, which its header names, is missing"),
        (eleven_leads_and_time, "V6 cannot be derived"),
        (twelve_bare_columns_of_which_one_is_time, "has 11 columns beside time"),
        (a_thousand_times_too_large, "Correct the gain or the unit"),
        (gain_a_thousand_times_too_small, "Correct the gain or the unit"),
        (no_header_and_no_order, "the numbers do not prove the order"),
        (no_header_and_no_rate, "does not say its sampling rate"),
        (mat_without_header, "x.hea is missing beside x.mat"),
    ],
)
def test_an_unusable_input_is_refused_for_its_reason(
    classify, tmp_path, signal_uv, write_input, reason
):
    answer = classify(write_input(tmp_path, signal_uv))
    assert reason in answer["error"]
    assert answer["probabilities"] is answer["raw"] is answer["top"] is None


@pytest.mark.parametrize(
    "order", [tuple(range(11, -1, -1)), tuple(np.random.default_rng(3).permutation(12))]
)
@pytest.mark.parametrize("form", ["wfdb", "csv", "mat"])
def test_named_leads_in_any_order_give_the_same_probabilities(
    classify, tmp_path, signal_uv, order, form
):
    names = tuple(LEADS[i] for i in order)
    if form == "wfdb":
        file = write_wfdb(tmp_path, "x", signal_uv[list(order)], fs_hz=100, leads=names)
    elif form == "csv":
        table = signal_uv[list(order)].T / 1000
        file = write_csv(tmp_path / "x_100hz.csv", table, ",".join(names))
    else:
        metadata = {"fs": 100.0, "unit": "uV", "leads": np.array(names)}
        savemat(tmp_path / "x.mat", {"val": signal_uv[list(order)], **metadata})
        file = tmp_path / "x.mat"
    assert classify(file)["probabilities"] == classify(RECORD)["probabilities"]


def test_microvolts_without_a_unit_are_noted_and_classified_as_millivolts(
    classify, tmp_path, signal_uv
):
    file = write_csv(tmp_path / "x_100hz.csv", signal_uv.T.astype(float))
    answer = classify(file)
    assert "scale assumed: µV" in answer["notes"]
    assert answer["probabilities"] == classify(RECORD)["probabilities"]


def test_an_order_that_the_numbers_prove_is_used_and_noted(classify, tmp_path, signal_uv):
    file = write_csv(tmp_path / "x_100hz.csv", signal_uv.T / 1000, None)
    answer = classify(file)
    assert any(note.startswith("lead order assumed: columns 1–6 prove") for note in answer["notes"])
    assert answer["probabilities"] == classify(RECORD)["probabilities"]


def test_leads_under_each_other_s_names_are_flagged(classify, tmp_path):
    names = ("II", "I", *LEADS[2:])
    signal_uv = limb_consistent_uv(5000) // 8
    answer = classify(write_wfdb(tmp_path, "x", signal_uv, leads=names))
    assert any(flag.startswith("einthoven") for flag in answer["quality"])
