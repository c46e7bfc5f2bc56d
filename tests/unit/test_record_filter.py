"""Record filter by source, device or site; records outside a level are the test part."""

import json

import numpy as np
import pandas as pd
import pytest

from ecgcore.cohort.record_filter import parse_conditions, select_records
from ecgcore.cohort.subsets import build_split
from ecgcore.errors import NotFound, RequestError

INDEX = pd.DataFrame(
    {
        "source": ["a", "a", "a", "b", "b"],
        "details": [json.dumps(details) for details in ({"site": "0"}, {"site": "2"}, {}, {}, {})],
    }
)
GROUP = np.array([0, 1, 1, 2, 0])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("source=a", [1, 1, 1, 0, 0]),
        ("site=2", [0, 1, 0, 0, 0]),
        ("site!=2", [1, 0, 0, 1, 1]),  # row 2 is the same patient's as row 1
        ("source=a, site!=2", [1, 0, 0, 0, 0]),
        ("source!=b", [0, 1, 1, 0, 0]),
    ],
)
def test_records_are_chosen_by_what_their_source_tells(text, kept):
    assert select_records(INDEX, GROUP, text).tolist() == [bool(k) for k in kept]


@pytest.mark.parametrize("text", ["", "site", "site=", "=2", "site=2,", "!=2"])
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(RequestError, match="accepted: NAME=VALUE"):
        parse_conditions(text)


def test_an_attribute_or_value_that_no_record_has_is_refused():
    with pytest.raises(NotFound, match=r"no site '7'.* Available: 0, 2"):
        select_records(INDEX, GROUP, "site=7")
    with pytest.raises(NotFound, match=r"no attribute 'ward'.* Available: site, source"):
        select_records(INDEX, GROUP, "ward=7")


class Cohort:
    """Six patients of two sites with two records each, one class a patient."""

    index = pd.DataFrame(
        {
            "record": [f"r{i:02d}" for i in range(12)],
            "patient": [f"p{i // 2}" for i in range(12)],
            "signal_hash": [f"s{i}" for i in range(12)],
            "source": "a",
            "details": [json.dumps({"site": str(i // 2 % 2)}) for i in range(12)],
            "fold": pd.array([None] * 12, "Int64"),
        }
    )

    def states(self, *_options):
        states = np.zeros((12, 10), np.int8)
        states[:, 0] = 1
        return states


def test_what_a_level_leaves_tests_without_the_patients_that_were_drawn():
    drawn = build_split(Cohort(), 10, "multilabel", split="rest", seed=3)
    train, test = (Cohort.index.iloc[drawn.rows[drawn.part == p]] for p in ("train", "test"))
    assert len(train) == 1  # a class's share of ten
    assert not set(train["patient"]) & set(test["patient"])
    assert len(test) == 10
    assert drawn.left_out == {"not among the 10 drawn": 1}


def test_records_that_are_not_asked_for_take_no_part():
    drawn = build_split(Cohort(), "all", "multilabel", split="none", where="site=1")
    assert set(Cohort.index["details"].iloc[drawn.rows]) == {'{"site": "1"}'}
    assert drawn.left_out == {"not asked for (site=1)": 6}
