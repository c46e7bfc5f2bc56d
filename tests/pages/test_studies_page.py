"""Studies: the page shows the stored results of each study, and how many trainings are done."""

import pytest
from reading import words

from ecgcore.studies.overview import STUDIES_FOLDER, study_overviews, trial_scores


def test_a_study_shows_its_page_and_how_much_is_done(open_page, workspace):
    app = open_page("studies", studies_name="levels")
    text = words(app)
    levels = next(study for study in study_overviews() if study.name == "levels")
    assert f"{levels.finished} of {levels.requested} trainings finished." in text
    assert "Holm" in text  # of the results
    assert "hierarchical bootstrap" in text  # the page itself
    assert len(app.get("plotly_chart")) == 1


def test_each_training_is_a_point():
    scores = trial_scores("levels")
    assert len(scores) == len(list((STUDIES_FOLDER / "levels" / "cells").glob("*.json")))
    assert set(scores["part"]) == {"holdout"}
    assert scores["macro_auc"].between(0, 1).all()
    assert set(trial_scores("rates")["part"]) == {"validation"}
    searched = trial_scores("rates").set_index("trial")["macro_auc"]
    assert "| adamw | 0.0001 | **0.870** |" in (STUDIES_FOLDER / "rates" / "README.md").read_text()
    best = searched[["alexnet-adamw-0.0001-s1", "alexnet-adamw-0.0001-s2"]].mean()
    assert best == pytest.approx(0.870, abs=0.0006)


def test_without_any_training_the_page_says_how_to_start_one(
    open_page, workspace, tmp_path, monkeypatch
):
    monkeypatch.setattr("ecgcore.studies.overview.STUDIES_FOLDER", tmp_path)
    monkeypatch.setattr(study_overviews, "__defaults__", (tmp_path,))
    assert "`ecgcore study levels`" in words(open_page("studies"))
