"""The bench of steadiness: what each change does to a signal, and what is counted."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from ecgcore.bench.perturbations import PERTURBATIONS
from ecgcore.bench.robustness import bench_robustness
from ecgcore.bench.robustness_page import document, with_figures_before
from ecgcore.errors import RequestError
from ecgcore.records.record import LEADS, Record

EXAMPLES = Path(__file__).parents[2] / "examples/ptb-xl"
BY_NAME = {perturbation.name: perturbation for perturbation in PERTURBATIONS}


def record(fs_hz=100.0):
    rng = np.random.default_rng(1)
    signal_mv = rng.normal(size=(12, round(10 * fs_hz))).astype(np.float32)
    one, two = signal_mv[:2]
    signal_mv[2:6] = two - one, -(one + two) / 2, one - two / 2, two - one / 2
    return Record(signal_mv, fs_hz, "made")


def changed(name, original=None):
    original = original or record()
    return BY_NAME[name].change(original, np.random.default_rng(2)).signal_mv


def lead(signal_mv, name):
    return signal_mv[LEADS.index(name)]


@pytest.mark.parametrize("name", BY_NAME)
def test_a_change_leaves_the_original_as_it_was_and_is_repeatable(name):
    original = record(500.0)
    before = original.signal_mv.copy()
    np.testing.assert_array_equal(changed(name, original), changed(name, original))
    np.testing.assert_array_equal(original.signal_mv, before)


def test_a_later_start_drops_the_first_samples():
    np.testing.assert_array_equal(changed("starts 200 ms later"), record().signal_mv[:, 20:])


@pytest.mark.parametrize(
    ("name", "mv"),
    [
        ("baseline wander ± 0.15 mV at 0.3 Hz", 0.15 / np.sqrt(2)),
        ("muscle noise 0.05 mV", 0.05),
        ("mains ± 0.05 mV at 50 Hz", 0.05 / np.sqrt(2)),
    ],
)
def test_noise_has_its_size_in_every_lead(name, mv):
    original = record(500.0)
    noise_mv = changed(name, original) - original.signal_mv
    np.testing.assert_allclose(np.sqrt((noise_mv**2).mean(axis=1)), mv, rtol=0.05)


def test_muscle_noise_has_nothing_below_20_hz():
    original = record(500.0)
    spectrum = np.abs(np.fft.rfft(changed("muscle noise 0.05 mV", original) - original.signal_mv))
    assert spectrum[:, :199].max() < 0.01 * spectrum.max()


def test_exchanged_arms_invert_lead_one_and_exchange_two_with_three():
    before, after = record().signal_mv, changed("RA–LA exchanged")
    np.testing.assert_allclose(lead(after, "I"), -lead(before, "I"), atol=1e-5)
    np.testing.assert_allclose(lead(after, "II"), lead(before, "III"), atol=1e-5)
    np.testing.assert_allclose(lead(after, "aVR"), lead(before, "aVL"), atol=1e-5)
    np.testing.assert_array_equal(after[6:], before[6:])


def test_an_exchanged_left_leg_keeps_einthoven():
    after = changed("LA–LL exchanged")
    np.testing.assert_allclose(lead(after, "I"), lead(record().signal_mv, "II"), atol=1e-5)
    np.testing.assert_allclose(lead(after, "III"), lead(after, "II") - lead(after, "I"), atol=1e-5)


def test_exchanged_chest_leads_change_places():
    after, before = changed("V1–V2 exchanged"), record().signal_mv
    np.testing.assert_array_equal(lead(after, "V1"), lead(before, "V2"))
    np.testing.assert_array_equal(lead(after, "V3"), lead(before, "V3"))


@pytest.fixture(scope="module")
def answer():
    return bench_robustness(EXAMPLES, ["resnet1d_scaled"], fold=1, n_records=4)


def test_every_change_is_counted_on_every_record_of_the_fold(answer):
    assert (answer["records"], answer["pairs"]) == (4, 0)
    changes = answer["networks"]["resnet1d_scaled"]["changes"]
    at_500_hz = {p.name for p in PERTURBATIONS if p.at_500_hz}
    assert set(changes) == set(BY_NAME) - at_500_hz  # the examples have 100 Hz only
    for change in changes.values():
        assert change["records"] == 4
        assert 0 <= change["low"] <= change["changed"] <= change["high"] <= 1
        assert 0 < change["moved"] <= change["moved_95"] <= 1
        lost_or_gained = sum(c["lost"] + c["gained"] for c in change["classes"].values())
        assert (lost_or_gained > 0) == (change["changed"] > 0)


def test_exchanged_arms_move_answers_more_than_ten_milliseconds_do(answer):
    changes = answer["networks"]["resnet1d_scaled"]["changes"]
    assert changes["RA–LA exchanged"]["moved"] > 3 * changes["starts 10 ms later"]["moved"]


def test_the_page_names_run_and_records_and_has_a_row_a_change(answer):
    page = document(answer)
    assert "4 records of PTB-XL's fold\n1" in page
    assert answer["networks"]["resnet1d_scaled"]["run"] in page
    for name in answer["flagged"]:
        assert page.count(f"| {name} |") >= 3
    assert "| NSR |" in page


def test_a_run_stands_in_for_a_network_at_its_calibration(answer):
    stood_in = bench_robustness(EXAMPLES, ["resnet1d_scaled=resnet1d_scaled"], fold=1, n_records=4)
    assert stood_in == answer
    other = copy.deepcopy(answer)
    other["networks"]["resnet1d_scaled"]["run"] = "another"
    assert "the run of the same recipe that was not answers in its place" in document(other)


def test_figures_of_the_network_released_before_stand_beside(answer):
    earlier = copy.deepcopy(answer)
    earlier["networks"]["resnet1d_scaled"]["run"] = "another"
    earlier["networks"]["resnet1d_scaled"]["changes"]["gain × 1.05"]["changed"] = 0.75
    assert "| gain × 1.05 | 75.0 → " in document(
        with_figures_before(copy.deepcopy(answer), earlier)
    )
    assert "→" not in document(with_figures_before(copy.deepcopy(answer), answer)).split("## ")[1]


def test_the_command_writes_the_page_and_its_figures_in_one_line(
    answer, run, tmp_path, monkeypatch
):
    monkeypatch.setattr("ecgcore.bench.robustness.bench_robustness", lambda *a, **k: answer)
    page = tmp_path / "page.md"
    code, _, err = run("bench", "robustness", "--to", page, "--home", tmp_path / "home")
    assert code == 0, err
    assert page.read_text("utf-8") == document(answer)
    [line] = page.with_suffix(".json").read_text("utf-8").splitlines()
    assert json.loads(line) == answer


@pytest.mark.parametrize(
    ("folder", "fold", "message"),
    [
        (EXAMPLES.parent, 1, "has no ptbxl_database.csv; PTB-XL as published is needed"),
        (EXAMPLES, 9, "has no record of fold 9; PTB-XL has folds 1 to 10."),
    ],
)
def test_a_folder_without_such_records_is_refused(folder, fold, message):
    with pytest.raises(RequestError, match=message):
        bench_robustness(folder, [], fold=fold)
