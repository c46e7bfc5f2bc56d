"""Studies: results are stored small and never trained again, and the page follows from them."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from ecgcore.cohort.store import Cohort
from ecgcore.errors import NotFound, RequestError
from ecgcore.evaluation.evaluate import run_scores
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.run import list_runs
from ecgcore.studies import levels, rates
from ecgcore.studies.registry import find_study
from ecgcore.studies.study import MARK, Study, train_missing
from ecgcore.studies.trial import TrialConfig, TrialResult, store_trial
from ecgcore.training.prepare import prepare


def tiny(seed):
    return TrainConfig(
        "examples", "resnet1d", "60", depth=4, width=4, epochs=1, seed=seed, device="cpu"
    )


TINY = Study(
    "tiny",
    "Does it keep its word?",
    lambda cohort, finished: [TrialConfig(f"s{seed}", tiny(seed)) for seed in (1, 2)],
    lambda finished: ", ".join(trial.name for trial in finished) + "\n",
)


def no_progress(run, status):
    """Ignore progress."""


def test_a_study_trains_what_is_missing_and_stores_predictions_but_no_run(examples_home, tmp_path):
    before = len(list_runs(examples_home))
    first = train_missing(TINY, "examples", examples_home, tmp_path, "*", no_progress)
    assert next(first).name == "s1"  # and then it is stopped
    first.close()
    assert [c.name for c in TINY.missing("examples", tmp_path)] == ["s2"]
    run = prepare(tiny(2), examples_home)
    (run.folder / MARK).write_text("tiny/s2")
    run.update_status(
        state="crashed"
    )  # as if a process had been killed: it is taken up, not begun anew
    own = prepare(tiny(2), examples_home)  # the user's, who asked for just the same
    remaining = train_missing(TINY, "examples", examples_home, tmp_path, "*", no_progress)
    assert [trial.name for trial in remaining] == ["s2"]
    assert len(list_runs(examples_home)) == before + 1
    assert own.folder.exists()
    assert TINY.write_page(tmp_path).read_text() == "# Does it keep its word?\n\ns1, s2\n"
    assert sum(f.stat().st_size for f in (tmp_path / "tiny" / "cells").iterdir()) < 200_000


def test_a_trial_with_other_settings_is_refused(examples_home, tmp_path):
    with pytest.raises(
        RequestError, match="No trial of study 'tiny' matches 'x'; there are s1, s2"
    ):
        TINY.missing("examples", tmp_path, "x")
    folder = tmp_path / "tiny" / "cells"
    folder.mkdir(parents=True)
    for cohort, message in (
        ("other", r"tiny holds trials of cohort 'other', not of 'examples'; name another folder"),
        ("examples", r"Trial s1 in .* was trained with other settings"),
    ):
        content = {"cell": "s1", "config": {"cohort": cohort}, "split": {}}
        (folder / "s1.json").write_text(json.dumps(content))
        with pytest.raises(RequestError, match=message):
            TINY.missing("examples", tmp_path)
    with pytest.raises(NotFound, match=r"There is no study 'level'\. Did you mean 'levels'"):
        find_study("level")


def test_trials_that_do_not_belong_together_are_refused(examples_home, tmp_path):
    list(train_missing(TINY, "examples", examples_home, tmp_path, "*", no_progress))
    file = tmp_path / "tiny" / "cells" / "s2.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"cohort": content["cohort"] | {"hash": "another"}}))
    with pytest.raises(RequestError, match=r"Trials s1 and s2 in .* are of two states of cohort"):
        TINY.write_page(tmp_path)
    file.rename(file.with_name("s3.json")).write_text(json.dumps(content | {"cell": "s3"}))
    with pytest.raises(RequestError, match=r"Trial s3 in .* is not one that the study requests"):
        TINY.finished(tmp_path)


def test_a_run_left_by_a_killed_process_after_storing_is_removed(examples_home, tmp_path):
    list(train_missing(TINY, "examples", examples_home, tmp_path, "*", no_progress))
    leftover = prepare(tiny(1), examples_home)
    (leftover.folder / MARK).write_text("tiny/s1")
    assert list(train_missing(TINY, "examples", examples_home, tmp_path, "*", no_progress)) == []
    assert not leftover.folder.exists()


def test_stored_predictions_agree_with_those_of_the_run(small_pair, tmp_path):
    workspace, run, _ = small_pair
    store_trial(TrialConfig("pair", run.config), run, tmp_path, workspace, scored=True)
    finished, own = TrialResult.read(tmp_path / "pair.json"), run_scores(run, "holdout")
    stored = finished.scores("holdout")
    np.testing.assert_array_equal(stored.record, own.record)
    np.testing.assert_array_equal(stored.y, own.y)
    np.testing.assert_allclose(stored.p, own.p, atol=1e-3)
    named, hashed = finished.predictions["patient"], run.predictions["patient"]
    assert set(named) <= set(
        Cohort.open("examples", workspace).index["record"]
    )  # the same in every workspace
    assert pd.crosstab(named, hashed).gt(0).sum().eq(1).all()


def test_the_second_round_uses_the_best_rates_of_each_network():
    first = rates.trials("examples", [])
    assert len(first) == len(rates.MODELS) * len(rates.GRID)
    assert {trial.config.seed for trial in first} == {rates.FIRST_SEED}
    best = ("alexnet-adamw-0.0001-s1", "alexnet-sgd-0.001-s1")
    finished = [
        TrialResult(None, _content(trial, 0.9 if trial.name in best else 0.5))
        for trial in first
        if trial.config.model == "alexnet"
    ]
    second = rates.trials("examples", finished)[len(first) :]
    assert {c.name for c in second} == {name.replace("-s1", "-s2") for name in best}
    page = rates.page(finished)
    assert "| adamw | 0.0001 | **0.900** | 0.900 |" in page
    assert "## `alexnet_m_se`" not in page  # none of its trials is finished


def _content(trial, auc):
    row = {"val_macro_auc": auc, "train_loss": 1.0, "val_loss": 2.0}
    return {
        "cell": trial.name,
        "config": asdict(trial.resolved),
        "history": [row] * 20,
        "cohort": {"name": "examples"},
        "classes": list("abcdefghij"),
        "split": {"records": {"validation": 30}},
    }


def store_pair(runs, workspace, folder, level):
    """Store two runs as if they were the first trials of study levels."""
    requested = {trial.name: trial for trial in levels.STUDY.trials("examples", [])}
    for model, run in zip(("alexnet_gap", "alexnet_m_se_gap"), runs, strict=True):
        store_trial(
            requested[f"{model}-{level}-s1"],
            run,
            folder / "levels" / "cells",
            workspace,
            scored=True,
        )


def test_the_levels_page_compares_the_same_seeds_and_names_every_interval(
    small_pair, tmp_path, monkeypatch
):
    workspace, *runs = small_pair
    store_pair(runs, workspace, tmp_path, "all")
    monkeypatch.setattr(levels, "QUESTIONS", (("all", "expert"),))  # the pair's
    text = levels.STUDY.write_page(tmp_path).read_text()
    assert "## `alexnet_gap` and `alexnet_m_se_gap`, level all" in text
    assert "|  |  | patients | seeds | both | each seed | baseline |" in text
    assert text.count("| macro AUC | difference |") == 2  # own part and holdout


def test_the_command_writes_the_page_without_training(small_pair, tmp_path, run):
    workspace, *runs = small_pair
    store_pair(runs, workspace, tmp_path, "204")
    command = ("study", "levels", "--no-train", "--to", tmp_path, "--only", "alexnet-440-s*")
    command += ("--cohort", "examples")
    code, out, _ = run(*command, "--json")
    assert code == 0
    answer = json.loads(out.splitlines()[-1])
    assert (answer["trained"], answer["left"]) == (0, 5)
    assert (tmp_path / "levels" / "README.md").exists()
