"""``ecgcore compare``: seeds a side, more than two runs, costs, and the ledger beside them."""

import json
from types import SimpleNamespace

import pytest
from simulated import predictions

from ecgcore.comparison.compare import compare
from ecgcore.comparison.costs import costs_of, ms_per_ecg
from ecgcore.comparison.multi import compare_several
from ecgcore.comparison.seed_groups import all_seeds, compare_given, compare_sides
from ecgcore.comparison.text import comparison_text, finding_over_seeds, several_text
from ecgcore.errors import RequestError
from ecgcore.labels.classes import CODES
from ecgcore.runs.config import TrainConfig

FEW = 30  # resamples


def a_run(name, seed, skill=1.5, n=80, **config):
    """Return as much of a run as a comparison asks."""
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
    found = compare_sides(*sides, resamples=FEW)
    first = compare(sides[0][0], sides[1][1], resamples=FEW)
    assert found["differences"] == first["differences"]
    seeds = found["seeds"]
    assert (seeds["a"], seeds["b"]) == (["a1", "a2", "a3"], ["b1", "b2", "b3"])
    assert seeds["notes"] == []
    change = seeds["differences"]["macro_auc"]
    assert change["values"][0] == pytest.approx(first["differences"]["macro_auc"]["value"])
    assert change["both"]["unit"] == "seeds and patients"
    assert change["seeds"]["low"] < change["mean"] < change["seeds"]["high"]
    assert len(seeds["sides"]["a"]["accuracy"]["values"]) == 3
    text = comparison_text(found)
    assert "Over 3 seeds a side, B − A (95 % interval over …):" in text
    json.dumps(found, allow_nan=False)


def test_what_else_differs_between_seeds_is_said(sides):
    odd = [a_run("a1", 1), a_run("a2", 2, epochs=99)]
    found = compare_sides(odd, [a_run("b4", 4), a_run("b5", 5)], resamples=FEW)
    assert found["seeds"]["notes"] == [
        "The runs of side A differ in epochs, not in their seeds alone.",
        "The sides' seeds are 1, 2 and 4, 5: runs are paired in the order given.",
    ]


def test_all_seeds_of_both_sides_are_found_and_those_given_stay():
    a1, a2, a3, again = (a_run(name, int(name[1])) for name in ("a1", "a2", "a3", "a2-again"))
    b1, b2, b3 = (a_run(name, int(name[1]), batch_size=8) for name in ("b1", "b2", "b3"))
    other = a_run("other", 4, epochs=3)
    found = all_seeds([a1, again], [b1], [a3, a2, b3, b2, other])
    assert found == ([a1, again, a3], [b1, b2, b3])
    assert all_seeds([a1], [b1], [a2, a3, b3]) == ([a1, a3], [b1, b3])  # seeds that both have


def test_the_finding_over_seeds_names_what_was_drawn(sides):
    said = finding_over_seeds(compare_sides(*sides, resamples=FEW))
    assert "3 seeds a side, seeds and patients drawn: accuracy " in said
    assert said.endswith(("no difference is shown.", "accuracy.", "macro-F1.", "macro AUC."))


def test_one_run_a_side_has_no_seeds(sides):
    assert compare_given([sides[0][:1], sides[1][:1]], resamples=FEW)["seeds"] is None


@pytest.mark.parametrize(
    ("pick", "said"),
    [
        (lambda a, b: [a], "Only one run is given; a comparison takes two or more."),
        (lambda a, b: [a, b, a], "Runs joined by commas are seeds of one side; give two such"),
        (lambda a, b: [a, b[:2]], "3 runs against 2: pairs of the same seed are compared"),
        (lambda a, b: [a[:1] * 2, b[:2]], "A run stands twice on side A; give each once."),
        (lambda a, b: [a[:1], b[:1], a[:1]], "A run stands twice in the list; give each once."),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_line(pick, said, sides):
    with pytest.raises(RequestError) as caught:
        compare_given(pick(*sides), resamples=FEW)
    assert str(caught.value).startswith(said)


def test_more_than_two_runs_stand_in_one_table_each_against_the_first(sides):
    runs = [sides[0][0], *sides[1][:2]]
    runs[2].predictions = runs[2].predictions.iloc[:60]
    found = compare_several(runs, resamples=FEW)
    assert found["n_common"] == 60
    assert found["flags"] == [
        "The runs' records differ: they hold 80, 80, 60; everything here is over the 60 "
        "common ones."
    ]
    assert found["rows"][0]["differences"] is None
    alone = compare(runs[0], runs[2], resamples=FEW)
    row = found["rows"][2]
    assert row["differences"] == alone["differences"]
    assert row["accuracy"] == alone["evaluations"]["b"]["intervals"]["accuracy"]
    assert row["mcnemar"]["p"] == alone["mcnemar"]["p"] <= row["mcnemar"]["p_holm"]
    lines = several_text(found).splitlines()
    assert sum(line.startswith("b1 ") for line in lines) == 4
    assert lines[-1].startswith("p: exact McNemar against a1; ")
    json.dumps(found, allow_nan=False)


def test_costs_are_of_the_network_and_of_this_machine(small_pair):
    workspace, *pair = small_pair
    plain, m_se = (costs_of(run) for run in pair)
    assert plain["parameters"] == pair[0].meta["parameters"] < m_se["parameters"]
    assert plain["multiply_adds"] < m_se["multiply_adds"]
    assert all(0 < ms < 60_000 for ms in ms_per_ecg(pair, workspace))


def test_the_command_compares_and_counts_its_looks(small_pair, run):
    workspace, a, b = small_pair
    code, out, _ = run("compare", a.id, b.id, "--home", workspace.path, "--json")
    first = json.loads(out.splitlines()[-1])
    assert (code, first["seeds"], first["cost"]["ms_per_ecg"]["a"]) == (0, None, None)
    assert first["cost"]["multiply_adds"]["a"] < first["cost"]["multiply_adds"]["b"]
    _, out, _ = run("evaluate", a.id, "--home", workspace.path)
    assert f"has been looked at {first['looks']['times'] + 1} times." in out
    code, _, err = run("compare", a.id, "--home", workspace.path)
    assert (code, err.strip()) == (2, "Only one run is given; a comparison takes two or more.")
