"""``ecgcore compare``: seeds a side, more than two runs, costs, and the access log."""

import json
from types import SimpleNamespace

import pytest
from simulated import predictions

from ecgcore.comparison.compare import compare
from ecgcore.comparison.costs import run_costs
from ecgcore.comparison.multi import compare_multi
from ecgcore.comparison.seed_groups import compare_groups, compare_seed_groups, complete_seed_groups
from ecgcore.comparison.text import comparison_text, finding_over_seeds, multi_text
from ecgcore.errors import RequestError
from ecgcore.inference.latency import ms_per_ecg
from ecgcore.labels.classes import CODES
from ecgcore.runs.config import TrainConfig

FEW = 30  # resamples


def a_run(name, seed, skill=1.5, n=80, **config):
    """Return the parts of a run that a comparison reads."""
    return SimpleNamespace(
        id=name,
        meta={"model": "net", "classes": list(CODES), "target_mode": "exclusive", "parameters": 9},
        config=TrainConfig("c", "net", seed=seed, **config),
        predictions=predictions(n, "exclusive", seed=seed + 100 * (skill > 1.5), skill=skill),
        calibration={"thresholds": {}},
    )


@pytest.fixture
def sides():
    return [a_run(f"a{s}", s) for s in (1, 2, 3)], [a_run(f"b{s}", s, 2.5) for s in (3, 1, 2)]


def test_seeds_are_paired_and_give_three_intervals(sides):
    content = compare_seed_groups(*sides, resamples=FEW).as_json()
    first = compare(sides[0][0], sides[1][1], resamples=FEW).as_json()
    assert content["differences"] == first["differences"]
    seeds = content["seeds"]
    assert (seeds["a"], seeds["b"]) == (["a1", "a2", "a3"], ["b1", "b2", "b3"])
    assert seeds["notes"] == []
    change = seeds["differences"]["macro_auc"]
    assert change["values"][0] == pytest.approx(first["differences"]["macro_auc"]["value"])
    assert change["both"]["unit"] == "seeds and patients"
    assert change["seeds"]["low"] < change["mean"] < change["seeds"]["high"]
    assert len(seeds["sides"]["a"]["accuracy"]["values"]) == 3
    text = comparison_text(content)
    assert "Over 3 seeds a side, B − A (95 % interval over …):" in text
    json.dumps(content, allow_nan=False)


def test_other_differences_between_seeds_are_noted(sides):
    odd = [a_run("a1", 1), a_run("a2", 2, epochs=99)]
    comparison = compare_seed_groups(odd, [a_run("b4", 4), a_run("b5", 5)], resamples=FEW)
    assert comparison.seeds["notes"] == [
        "The runs of side A differ in epochs, not in their seeds alone.",
        "The sides' seeds are 1, 2 and 4, 5: runs are paired in the order given.",
    ]


def test_seed_groups_are_completed_and_the_runs_given_stay():
    a1, a2, a3, again = (a_run(name, int(name[1])) for name in ("a1", "a2", "a3", "a2-again"))
    b1, b2, b3 = (a_run(name, int(name[1]), batch_size=8) for name in ("b1", "b2", "b3"))
    other = a_run("other", 4, epochs=3)
    content = complete_seed_groups([a1, again], [b1], [a3, a2, b3, b2, other])
    assert content == ([a1, again, a3], [b1, b2, b3])
    assert complete_seed_groups([a1], [b1], [a2, a3, b3]) == (
        [a1, a3],
        [b1, b3],
    )  # seeds that both have


def test_the_finding_over_seeds_names_what_was_resampled(sides):
    sentence = finding_over_seeds(compare_seed_groups(*sides, resamples=FEW).as_json())
    assert "3 seeds a side, seeds and patients resampled: accuracy " in sentence
    assert sentence.endswith(("no difference is shown.", "accuracy.", "macro-F1.", "macro AUC."))


def test_one_run_a_side_has_no_seeds(sides):
    assert compare_groups([sides[0][:1], sides[1][:1]], resamples=FEW).seeds is None


@pytest.mark.parametrize(
    ("pick", "message"),
    [
        (lambda a, b: [a], "Only one run is given; a comparison takes two or more."),
        (lambda a, b: [a, b, a], "Runs joined by commas are seeds of one side; give two such"),
        (lambda a, b: [a, b[:2]], "3 runs against 2: pairs of the same seed are compared"),
        (
            lambda a, b: [a[:1] * 2, b[:2]],
            "The same run is given twice on side A; give each run once.",
        ),
        (lambda a, b: [a[:1], b[:1], a[:1]], "The same run is given twice; give each run once."),
    ],
)
def test_an_impossible_comparison_is_refused_in_a_line(pick, message, sides):
    with pytest.raises(RequestError) as caught:
        compare_groups(pick(*sides), resamples=FEW)
    assert str(caught.value).startswith(message)


def test_more_than_two_runs_stand_in_one_table_each_against_the_first(sides):
    runs = [sides[0][0], *sides[1][:2]]
    runs[2].predictions = runs[2].predictions.iloc[:60]
    content = compare_multi(runs, resamples=FEW).as_json()
    assert content["n_common"] == 60
    assert content["flags"] == [
        "The runs' records differ: they hold 80, 80, 60; everything here is over the 60 "
        "common ones."
    ]
    assert content["rows"][0]["differences"] is None
    alone = compare(runs[0], runs[2], resamples=FEW).as_json()
    row = content["rows"][2]
    assert row["differences"] == alone["differences"]
    assert row["accuracy"] == alone["evaluations"]["b"]["intervals"]["accuracy"]
    assert row["mcnemar"]["p"] == alone["mcnemar"]["p"] <= row["mcnemar"]["p_holm"]
    lines = multi_text(content).splitlines()
    assert sum(line.startswith("b1 ") for line in lines) == 4
    assert lines[-1].startswith("p: exact McNemar against a1; ")
    json.dumps(content, allow_nan=False)


def test_costs_are_of_the_network_and_of_this_machine(small_pair):
    workspace, *pair = small_pair
    plain, m_se = (run_costs(run) for run in pair)
    assert plain["parameters"] == pair[0].meta["parameters"] < m_se["parameters"]
    assert plain["multiply_adds"] < m_se["multiply_adds"]
    assert all(0 < ms < 60_000 for ms in ms_per_ecg(pair, workspace))


def test_the_command_compares_and_counts_its_accesses(small_pair, run):
    workspace, a, b = small_pair
    code, out, _ = run("compare", a.id, b.id, "--home", workspace.path, "--json")
    first = json.loads(out.splitlines()[-1])
    assert (code, first["seeds"], first["cost"]["ms_per_ecg"]["a"]) == (0, None, None)
    assert first["cost"]["multiply_adds"]["a"] < first["cost"]["multiply_adds"]["b"]
    _, out, _ = run("evaluate", a.id, "--home", workspace.path)
    assert f"has been looked at {first['looks']['times'] + 1} times." in out
    code, _, err = run("compare", a.id, "--home", workspace.path)
    assert (code, err.strip()) == (2, "Only one run is given; a comparison takes two or more.")


def test_more_than_two_runs_show_themselves_in_one_line(sides):
    comparison = compare_multi([sides[0][0], *sides[1][:2]], resamples=FEW)
    assert repr(comparison) == "MultiComparison(3 runs, reference a1, n_common=80)"
    assert str(comparison) == multi_text(comparison.as_json())
    assert [row["run"] for row in comparison.rows] == ["a1", "b3", "b1"]
