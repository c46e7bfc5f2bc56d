"""A cell of the confusion matrices holds the records that the matrix counted."""

import numpy as np
import pytest
from simulated import predictions

from ecgcore.calibration.scores import Scores
from ecgcore.comparison.compare import compare_scores, on_common_records
from ecgcore.comparison.confusion_cells import cell_description, cell_records
from ecgcore.errors import NotFound
from ecgcore.labels.classes import CODES


@pytest.fixture(params=["multilabel", "exclusive"])
def pair(request):
    return on_common_records(
        *(
            Scores.from_predictions(
                predictions(mode=request.param, seed=seed), CODES, request.param
            )
            for seed in (1, 2)
        )
    )


@pytest.mark.parametrize("side", ["a", "b"])
def test_every_cell_holds_as_many_records_as_the_matrix_says(pair, side):
    counts = compare_scores(*pair, resamples=2).as_json()["evaluations"][side]["confusion"]
    cells = [[len(cell_records(*pair, label, top, side)) for top in CODES] for label in CODES]
    assert cells == counts


def test_the_cells_of_the_difference_hold_what_only_one_run_puts_there(pair):
    a, b = pair
    for label, top in (("NSR", "NSR"), ("NSR", "STACH"), ("ECT", "NSR")):
        sides = [{r["record"] for r in cell_records(a, b, label, top, side)} for side in "ab"]
        only_one = {r["record"] for r in cell_records(a, b, label, top, "one")}
        assert only_one == sides[0] ^ sides[1]


def test_records_come_in_descending_order_of_probability_with_both_answers(pair):
    a, b = pair
    rows = cell_records(a, b, "NSR", "NSR", "b")
    assert [r["p_b"] for r in rows] == sorted((r["p_b"] for r in rows), reverse=True)
    first = rows[0]
    row = int(np.flatnonzero(a.record == first["record"])[0])
    assert first["a"] == CODES[a.top[row]]
    assert first["p_a"] == a.p[row, CODES.index("NSR")]


def test_an_unknown_class_is_refused_by_name(pair):
    with pytest.raises(NotFound, match="There is no class 'LAFB'"):
        cell_records(*pair, "LAFB", "NSR", "a")


def test_a_cell_in_words():
    assert cell_description("LVH", "NSR", "a") == "label LVH, A says NSR"
    assert cell_description("LVH", "NSR", "one") == "label LVH, only one of A and B says NSR"
