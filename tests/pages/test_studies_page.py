"""Studies: the page shows what is kept of each study, and how much of it is done."""

import pytest
from reading import words

from ecgcore.studies.overview import KEPT, points, states


def test_a_study_shows_its_page_and_how_much_is_done(open_page, workspace):
    app = open_page("studies", studies_name="levels")
    said = words(app)
    levels = next(found for found in states() if found.name == "levels")
    assert f"{levels.finished} of {levels.asked} trainings finished." in said
    assert "**What holds**" in said  # of the results
    assert "hierarchical bootstrap" in said  # the page itself
    assert len(app.get("plotly_chart")) == 1


def test_each_training_is_a_point():
    found = points("levels")
    assert len(found) == len(list((KEPT / "levels" / "cells").glob("*.json")))
    assert set(found["part"]) == {"untouched"}
    assert found["macro_auc"].between(0, 1).all()
    assert set(points("rates")["part"]) == {"validation"}
    searched = points("rates").set_index("cell")["macro_auc"]
    assert "| adamw | 0.0001 | **0.870** |" in (KEPT / "rates" / "README.md").read_text()
    best = searched[["alexnet-adamw-0.0001-s1", "alexnet-adamw-0.0001-s2"]].mean()
    assert best == pytest.approx(0.870, abs=0.0006)


def test_without_any_training_the_page_says_how_to_begin(
    open_page, workspace, tmp_path, monkeypatch
):
    monkeypatch.setattr("ecgcore.studies.overview.KEPT", tmp_path)
    monkeypatch.setattr(states, "__defaults__", (tmp_path,))
    assert "`ecgcore study levels`" in words(open_page("studies"))
