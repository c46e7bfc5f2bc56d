"""Studies: what is finished is kept small and never trained again; the page follows from it."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from ecgcore.cohort.store import Cohort
from ecgcore.errors import NotFound, RequestError
from ecgcore.evaluation.evaluate import scores_of
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.run import list_runs
from ecgcore.studies import levels, rates
from ecgcore.studies.registry import find_study
from ecgcore.studies.study import MARK, Study, train_missing
from ecgcore.studies.trial import Cell, TrialResult, keep
from ecgcore.training.prepare import prepare


def tiny(seed):
    return TrainConfig(
        "examples", "resnet1d", "60", depth=4, width=4, epochs=1, seed=seed, device="cpu"
    )


TINY = Study(
    "tiny",
    "Does it keep its word?",
    lambda cohort, finished: [Cell(f"s{seed}", tiny(seed)) for seed in (1, 2)],
    lambda finished: ", ".join(cell.name for cell in finished) + "\n",
)


def ignored(run, now):
    """Take no notice of progress."""


def test_a_study_trains_what_lacks_and_keeps_predictions_but_no_run(examples_home, tmp_path):
    before = len(list_runs(examples_home))
    first = train_missing(TINY, "examples", examples_home, tmp_path, "*", ignored)
    assert next(first).name == "s1"  # and then it is stopped
    first.close()
    assert [c.name for c in TINY.missing("examples", tmp_path)] == ["s2"]
    run = prepare(tiny(2), examples_home)
    (run.folder / MARK).write_text("tiny/s2")
    run.report(state="crashed")  # as if a process had been killed: it is taken up, not begun anew
    own = prepare(tiny(2), examples_home)  # the user's, who asked for just the same
    rest = train_missing(TINY, "examples", examples_home, tmp_path, "*", ignored)
    assert [cell.name for cell in rest] == ["s2"]
    assert len(list_runs(examples_home)) == before + 1
    assert own.folder.exists()
    assert TINY.write_page(tmp_path).read_text() == "# Does it keep its word?\n\ns1, s2\n"
    assert sum(f.stat().st_size for f in (tmp_path / "tiny" / "cells").iterdir()) < 200_000


def test_a_cell_that_was_trained_in_another_way_is_not_mixed_in(examples_home, tmp_path):
    with pytest.raises(RequestError, match="No cell of study 'tiny' matches 'x'; there are s1, s2"):
        TINY.missing("examples", tmp_path, "x")
    folder = tmp_path / "tiny" / "cells"
    folder.mkdir(parents=True)
    (folder / "s1.json").write_text(json.dumps({"cell": "s1", "config": {"cohort": "other"}}))
    with pytest.raises(RequestError, match=r"Cell s1 in .* was trained with other settings"):
        TINY.missing("examples", tmp_path)
    with pytest.raises(NotFound, match=r"There is no study 'level'\. Did you mean 'levels'"):
        find_study("level")


def test_cells_that_do_not_belong_together_are_refused(examples_home, tmp_path):
    list(train_missing(TINY, "examples", examples_home, tmp_path, "*", ignored))
    file = tmp_path / "tiny" / "cells" / "s2.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"cohort": told["cohort"] | {"hash": "another"}}))
    with pytest.raises(RequestError, match=r"Cells s1 and s2 in .* are of two states of cohort"):
        TINY.write_page(tmp_path)
    file.rename(file.with_name("s3.json")).write_text(json.dumps(told | {"cell": "s3"}))
    with pytest.raises(RequestError, match=r"Cell s3 in .* is none that the study asks for"):
        TINY.finished(tmp_path)


def test_a_run_that_a_killed_process_left_after_keeping_it_is_removed(examples_home, tmp_path):
    list(train_missing(TINY, "examples", examples_home, tmp_path, "*", ignored))
    left = prepare(tiny(1), examples_home)
    (left.folder / MARK).write_text("tiny/s1")
    assert list(train_missing(TINY, "examples", examples_home, tmp_path, "*", ignored)) == []
    assert not left.folder.exists()


def test_kept_predictions_say_what_the_runs_did(small_pair, tmp_path):
    workspace, run, _ = small_pair
    keep(Cell("pair", run.config), run, tmp_path, workspace, scored=True)
    finished, own = TrialResult.read(tmp_path / "pair.json"), scores_of(run, "untouched")
    kept = finished.scores("untouched")
    np.testing.assert_array_equal(kept.record, own.record)
    np.testing.assert_array_equal(kept.y, own.y)
    np.testing.assert_allclose(kept.p, own.p, atol=1e-3)
    named, hashed = finished.predictions["patient"], run.predictions["patient"]
    assert set(named) <= set(
        Cohort.open("examples", workspace).index["record"]
    )  # in every home alike
    assert pd.crosstab(named, hashed).gt(0).sum().eq(1).all()


def test_the_search_goes_on_with_the_best_rates_of_each_network():
    first = rates.cells("examples", [])
    assert len(first) == len(rates.MODELS) * len(rates.GRID)
    assert {cell.config.seed for cell in first} == {rates.FIRST_SEED}
    best = ("alexnet-adamw-0.0001-s1", "alexnet-sgd-0.001-s1")
    finished = [
        TrialResult(None, _searched(cell, 0.9 if cell.name in best else 0.5))
        for cell in first
        if cell.config.model == "alexnet"
    ]
    second = rates.cells("examples", finished)[len(first) :]
    assert {c.name for c in second} == {name.replace("-s1", "-s2") for name in best}
    page = rates.page(finished)
    assert "| adamw | 0.0001 | **0.900** | 0.900 |" in page
    assert "## `alexnet_m_se`" not in page  # none of its cells is there


def _searched(cell, auc):
    row = {"val_macro_auc": auc, "train_loss": 1.0, "val_loss": 2.0}
    return {
        "cell": cell.name,
        "config": asdict(cell.recipe),
        "history": [row] * 20,
        "cohort": {"name": "examples"},
        "classes": list("abcdefghij"),
        "split": {"records": {"validation": 30}},
    }


def keep_pair(runs, workspace, folder, level):
    """Keep two runs as if they were the first cells of study levels."""
    asked = {cell.name: cell for cell in levels.STUDY.cells("examples", [])}
    for model, run in zip(("alexnet_gap", "alexnet_m_se_gap"), runs, strict=True):
        keep(asked[f"{model}-{level}-s1"], run, folder / "levels" / "cells", workspace, scored=True)


def test_the_levels_page_compares_the_same_seeds_and_names_every_interval(
    small_pair, tmp_path, monkeypatch
):
    workspace, *runs = small_pair
    keep_pair(runs, workspace, tmp_path, "all")
    monkeypatch.setattr(levels, "QUESTIONS", (("all", "expert"),))  # the pair's
    text = levels.STUDY.write_page(tmp_path).read_text()
    assert "## `alexnet_gap` and `alexnet_m_se_gap`, level all" in text
    assert "|  |  | patients | seeds | both | each seed | baseline |" in text
    assert text.count("| macro AUC | difference |") == 2  # own part and untouched


def test_the_command_writes_the_page_without_training(small_pair, tmp_path, run):
    workspace, *runs = small_pair
    keep_pair(runs, workspace, tmp_path, "204")
    asked = ("study", "levels", "--no-train", "--to", tmp_path, "--only", "alexnet-440-s*")
    asked += ("--cohort", "examples")
    code, out, _ = run(*asked, "--json")
    assert code == 0
    answer = json.loads(out.splitlines()[-1])
    assert (answer["trained"], answer["left"]) == (0, 5)
    assert (tmp_path / "levels" / "README.md").exists()
