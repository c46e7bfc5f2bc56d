"""A class that a network cannot call usefully is shown as ranked, with how such calls fared."""

import numpy as np
from reading import words

from ecgcore.inference.classify import classify_paths
from ecgcore.inference.model import Classifier, load_model

RUN = "resnet1d_scaled"


def test_classify_says_that_a_class_is_ranked_and_how_often_it_was_right(open_page, monkeypatch):
    def reach_every_threshold(self, calibrated):
        return np.ones_like(calibrated, dtype=bool)

    monkeypatch.setattr(Classifier, "predicted_labels", reach_every_threshold)
    text = words(open_page("classify", classify_example="LBBB", classify_runs=RUN))
    ranked = load_model(RUN).ranked
    assert set(ranked) == {"RVH"}
    assert f"{RUN} ranks high but does not call: " in text
    for one in ranked.values():
        assert f"{one.right} of {one.calls} such answers on test records were right" in text
    called = text.partition("Called, each class at its own threshold: ")[2].partition("\n")[0]
    assert "**LBBB**" in called
    assert "RVH" not in called


def test_a_ranked_class_of_an_example_is_ranked_by_the_command_too():
    from ecgcore import resources

    header = next(resources.EXAMPLES.rglob("17751_lr.hea"))
    (answer,) = classify_paths([header], load_model(RUN))
    assert answer["top"] == "RVH"
    assert (answer["called"], answer["ranked"]) == ([], ["RVH"])
