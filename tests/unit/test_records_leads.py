"""Names of leads in every usual spelling, and twelve rows in the standard order or a refusal."""

import numpy as np
import pytest
from recordings import limb_consistent_uv

from ecgcore.errors import UnreadableRecord
from ecgcore.records.lead_names import are_numbers, inverted_lead, standard_lead, standard_leads
from ecgcore.records.leads import order_of_leads, twelve_leads
from ecgcore.records.record import LEADS

SIGNAL_MV = limb_consistent_uv(300) / 1000
AUGMENTED, CHEST = list(LEADS[3:6]), list(LEADS[6:])
SPELLINGS = (
    *("{}", "lead_{}", "Lead {}", "ECG_{}", "ECG {}", "ECG Lead {}", "{}_uv", "{} (mV)", "{}-Ref"),
    *("ECG {}-Ref", "MDC_ECG_LEAD_{}", "lead-{}", "ch_{}", "EKG {}", "ECG:{}", "{}[µV]", "{}_mV"),
    *("CH1 {}", "Lead {} (Einthoven)", "signal {} raw", " {} ", "{} lead", "ECG{}", "D{}"),
)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("change", [str, str.upper, str.lower])
def test_every_usual_spelling_of_every_lead_is_understood(spelling, change):
    names = [change(spelling.format(lead)) for lead in LEADS]
    assert [standard_lead(name) for name in names] == list(LEADS)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "MLII",
            "V5R",
            "V7",
            "V10",
            "X",
            "Z",
            "IV",
            "V",
            "D1",
            "C1",
            "C3",
            "ECG1",
            "iiii",
            "V1-V2",
        ),
        *("-aVR", "lead -II", "V1.1", "V1 median", "1", "lead", "aVx", "", "V1 of Anna", "I" * 80),
    ],
)
def test_no_other_name_is_taken_for_a_lead(name):
    assert standard_lead(name) is None


def test_names_that_are_clear_only_together_are_understood_together():
    numbered, iec = ["D1", "D2", "D3"], [f"C{i}" for i in range(1, 7)]
    limb = ["Lead 1", "Lead 2", "Lead 3"]
    for names in (
        [*numbered, *AUGMENTED, *CHEST],
        [*limb, *AUGMENTED, *CHEST],
        [*LEADS[:6], *iec],
        [*numbered, *AUGMENTED, *iec],
    ):
        assert standard_leads(names) == list(LEADS)
    assert standard_leads(["C3", "C4", "I", "II"]) == [None, None, "I", "II"]  # of an EEG
    assert standard_leads([f"Lead {i}" for i in range(1, 13)]) == [None] * 12
    assert standard_leads([*LEADS[:6], "C1", "C1", *iec[2:]])[6] is None


def test_numbers_of_columns_are_no_names():
    for form in ("{}", "ch{}", "Lead {}", "column {}", "Unnamed: {}"):
        assert are_numbers([form.format(i) for i in range(12)])
        assert are_numbers([form.format(i + 1) for i in range(12)])
        assert not are_numbers([form.format(12 - i) for i in range(12)])
    assert are_numbers([""] * 12)
    assert not are_numbers([f"V{i}" for i in range(12)])


def test_names_that_are_no_leads_are_never_taken_by_position():
    names = [f"Anna{chr(97 + i)}" for i in range(12)]
    with pytest.raises(UnreadableRecord) as caught:
        order_of_leads("r", names, SIGNAL_MV, True)
    assert str(caught.value) == (
        "Record r has 12 signals named after no lead. Name them I, II, III, aVR, aVL, aVF, V1–V6; "
        "rows with names are never taken by their position."
    )


@pytest.mark.parametrize("missing", ["I", "II", "III"])
def test_each_of_the_three_limb_leads_is_derived_from_the_other_two(missing):
    rows = [i for i, lead in enumerate(LEADS) if lead != missing]
    arranged, notes = twelve_leads("r", [LEADS[i] for i in rows], SIGNAL_MV[rows])
    np.testing.assert_allclose(arranged, SIGNAL_MV, atol=0.002)  # stored in whole µV
    pair = " and ".join(lead for lead in LEADS[:3] if lead != missing)
    assert notes == (f"{missing} derived from {pair}",)


def test_an_inverted_lead_is_turned_upright_and_noted():
    names = ["-aVR" if lead == "aVR" else lead for lead in LEADS]
    stored = SIGNAL_MV * np.where([lead == "aVR" for lead in LEADS], -1, 1)[:, None]
    arranged, notes = twelve_leads("r", names, stored)
    np.testing.assert_allclose(arranged, SIGNAL_MV, atol=1e-6)
    assert notes == ("stored inverted, turned upright: aVR",)
    assert [inverted_lead(name) for name in ("lead −aVR", "lead-II", "lead -II")] == [
        *("aVR", None, None)
    ]


def test_a_lead_stored_twice_is_read_only_where_both_are_one_signal():
    names = [*LEADS, "V1", "resp"]
    arranged, notes = twelve_leads("r", names, SIGNAL_MV[[*range(12), 6, 0]])
    np.testing.assert_allclose(arranged, SIGNAL_MV, atol=1e-6)
    assert notes == ("stored twice, with one signal: V1", "not used: resp")
    with pytest.raises(UnreadableRecord, match="has lead V1 twice, with two signals"):
        twelve_leads("r", names, SIGNAL_MV[[*range(12), 7, 0]])
