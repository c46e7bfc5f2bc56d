"""Studies: the page shows what is kept of each study, and how much of it is done."""

from reading import words

from ecgcore.studies.overview import KEPT, points, states


def test_a_study_shows_its_page_and_how_much_is_done(open_page, home):
    app = open_page("studies", studies_name="levels")
    said = words(app)
    levels = next(found for found in states() if found.name == "levels")
    assert f"{levels.finished} of {levels.asked} trainings finished." in said
    assert "hierarchical bootstrap" in said  # the page itself
    assert len(app.get("plotly_chart")) == 1


def test_each_training_is_a_point():
    found = points("levels")
    assert len(found) == len(list((KEPT / "levels" / "cells").glob("*.json")))
    assert set(found["part"]) == {"untouched"}
    assert found["macro_auc"].between(0, 1).all()
    assert set(points("rates")["part"]) == {"validation"}


def test_without_any_training_the_page_says_how_to_begin(open_page, home, tmp_path, monkeypatch):
    monkeypatch.setattr("ecgcore.studies.overview.KEPT", tmp_path)
    monkeypatch.setattr(states, "__defaults__", (tmp_path,))
    assert "`ecgcore study levels`" in words(open_page("studies"))
