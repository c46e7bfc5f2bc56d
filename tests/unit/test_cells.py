"""A cell of the confusion matrices holds the records that the matrix counted."""

import numpy as np
import pytest
from simulated import predictions

from ecgcore.calibration.scores import Scores
from ecgcore.comparison.compare import compare_scores, on_common_records
from ecgcore.comparison.confusion_cells import cell_records, cell_words
from ecgcore.errors import NotFound
from ecgcore.labels.classes import CODES


@pytest.fixture(params=["multilabel", "exclusive"])
def pair(request):
    return on_common_records(
        *(
            Scores.read(predictions(mode=request.param, seed=seed), CODES, request.param)
            for seed in (1, 2)
        )
    )


@pytest.mark.parametrize("side", ["a", "b"])
def test_every_cell_holds_as_many_records_as_the_matrix_says(pair, side):
    counts = compare_scores(*pair, resamples=2)["evaluations"][side]["confusion"]
    found = [[len(cell_records(*pair, label, said, side)) for said in CODES] for label in CODES]
    assert found == counts


def test_the_cells_of_the_difference_hold_what_only_one_run_puts_there(pair):
    a, b = pair
    for label, said in (("NSR", "NSR"), ("NSR", "STACH"), ("ECT", "NSR")):
        sides = [{r["record"] for r in cell_records(a, b, label, said, side)} for side in "ab"]
        only_one = {r["record"] for r in cell_records(a, b, label, said, "one")}
        assert only_one == sides[0] ^ sides[1]


def test_the_surest_come_first_with_what_both_said(pair):
    a, b = pair
    rows = cell_records(a, b, "NSR", "NSR", "b")
    assert [r["p_b"] for r in rows] == sorted((r["p_b"] for r in rows), reverse=True)
    first = rows[0]
    place = int(np.flatnonzero(a.record == first["record"])[0])
    assert first["a"] == CODES[a.top[place]]
    assert first["p_a"] == a.p[place, CODES.index("NSR")]


def test_a_class_that_is_not_there_is_refused_by_name(pair):
    with pytest.raises(NotFound, match="There is no class 'LAFB'"):
        cell_records(*pair, "LAFB", "NSR", "a")


def test_a_cell_in_words():
    assert cell_words("LVH", "NSR", "a") == "label LVH, A says NSR"
    assert cell_words("LVH", "NSR", "one") == "label LVH, only one of A and B says NSR"
