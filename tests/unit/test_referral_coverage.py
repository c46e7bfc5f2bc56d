"""Coverage of referral: counted on validated records, and reported by group."""

import numpy as np
import pandas as pd
import pytest
from simulated import predictions

from ecgcore.calibration.calibration import FITTED_ON, OUT_OF_FOLD, PART_OF
from ecgcore.calibration.scores import Scores
from ecgcore.evaluation.fit_calibration import fit_calibration
from ecgcore.evaluation.referral_coverage import (
    ALL_RECORDS,
    VALIDATED_RECORDS,
    referral_section,
)
from ecgcore.labels.classes import CODES

N = 400


@pytest.fixture(scope="module")
def answers():
    """Return out-of-fold answers of which every second record was validated, and is harder."""
    table = predictions(n=N, unknown=0)
    rng = np.random.default_rng(3)
    validated = np.arange(N) % 2 == 0
    for code in CODES:
        noise = rng.normal(0, np.where(validated, 2.0, 0.5))
        table[f"z_{code}"] = 4 * table[f"y_{code}"] - 2 + noise
    words = np.where(validated, "by a human", "not")
    traits = {"age": np.arange(N) % 100, "sex": "female", "source": "ptb-xl", "quality": "no flag"}
    return table.assign(part=PART_OF[OUT_OF_FOLD], validated=words, **traits)


def section(table, fitted, part="test"):
    p = 1 / (1 + np.exp(-table[[f"z_{c}" for c in CODES]].to_numpy() / fitted["temperature"]))
    with_p = table.assign(**{f"p_{c}": p[:, i] for i, c in enumerate(CODES)}, part=part)
    scores = Scores.from_predictions(with_p, CODES, "multilabel", fitted["thresholds"], part=part)
    return referral_section(scores, fitted, with_p, resamples=50)


def test_the_band_counts_mistakes_on_validated_records(answers):
    fitted = fit_calibration(answers, list(CODES), "multilabel", source=OUT_OF_FOLD)
    unstated = fit_calibration(
        answers.drop(columns="validated"), list(CODES), "multilabel", source=OUT_OF_FOLD
    )
    assert (fitted["refer"]["of"], fitted["refer"]["n"]) == (VALIDATED_RECORDS, N // 2)
    assert (unstated["refer"]["of"], unstated["refer"]["n"]) == (ALL_RECORDS, N)
    assert fitted["refer"]["cut"] > unstated["refer"]["cut"]


def test_groups_cover_all_records_and_state_intervals(answers):
    fitted = fit_calibration(answers, list(CODES), "multilabel", source=OUT_OF_FOLD)
    found = section(answers, fitted)
    assert found["cross_fitted"]
    assert list(found["groups"]["age"]) == ["under 40", "40 to 59", "60 to 79", "80 and over"]
    for groups in found["groups"].values():
        assert sum(group["n"] for group in groups.values()) == N
    by_human, other = found["groups"]["validated"].values()
    assert by_human["covered"]["value"] < other["covered"]["value"]
    whole = found["groups"]["records"]["all"]["covered"]
    assert whole["low"] < whole["value"] < whole["high"]
    assert whole["value"] == pytest.approx(found["covered"])


def test_records_that_fitted_nothing_are_judged_by_the_band_itself(answers):
    fitted = fit_calibration(
        answers.assign(part="validation"), list(CODES), "multilabel", source=FITTED_ON
    )
    assert not section(answers, fitted)["cross_fitted"]
    assert section(answers, fitted, part="validation")["cross_fitted"]
    assert referral_section(None, {"refer": None}, pd.DataFrame()) is None
