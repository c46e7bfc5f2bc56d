"""Expert labels, rule by rule, on cases made by hand."""

import numpy as np
import pytest

from ecgcore.errors import NotFound
from ecgcore.labels.classes import CODES
from ecgcore.labels.expert import label, label_record
from ecgcore.records.record import Record, Statement


def scp(tier="core", stadium1="", stadium2="", **likelihoods):
    """Label PTB-XL statements; ``PRC(S)`` and the like go through ``statements``."""
    statements = [Statement("scp", code, value) for code, value in likelihoods.items()]
    details = {"infarction_stadium1": stadium1, "infarction_stadium2": stadium2}
    return named(label(statements, "ptb-xl", details, tier))


def stated(system, codes, source, tier="core"):
    return named(label([Statement(system, code) for code in codes], source, {}, tier))


def snomed(*codes, source="georgia", tier="core"):
    return stated("snomed", codes, source, tier)


def named(labels):
    assert labels.states.dtype == np.int8
    return dict(zip(CODES, labels.states.tolist(), strict=True))


def present(states):
    return {code for code, state in states.items() if state == 1}


def unknown(states):
    return {code for code, state in states.items() if state == -1}


CORE = {
    "STACH": ("STACH", "427084000"),
    "SBRAD": ("SBRAD", "426177001"),
    "LBBB": ("CLBBB", "164909002", "733534002"),
    "RBBB": ("CRBBB", "59118001", "713427006"),
    "LVH": ("LVH", "164873001"),
    "RVH": ("RVH", "89792004"),
    "STEMI": ("57054005",),
    "STD": (
        *"STD_ ISC_ ISCAL ISCAS ISCIN ISCIL ISCAN ISCLA INJAS INJAL INJIN INJIL INJLA".split(),
        *"429622005 164861001 426434006 425419005 425623009 413444003".split(),
    ),
    "ECT": (
        *"PVC PAC BIGU TRIGU PRC(S)".split(),
        *"284470004 63593006 17338001 427172004 164884008 11157007 251180001".split(),
        *"251173003 251168009 251182009 251170000".split(),
    ),
}
BROAD = {
    "LBBB": ("ILBBB", "251120003"),
    "RBBB": ("IRBBB", "713426002"),
    "LVH": ("VCLVH", "55827005"),
    "STEMI": ("IMI", "164865005", "54329005", "164931005"),
    "STD": ("NST_", "428750005", "55930002", "164930006"),
}


def cases(table):
    return [(code, statement) for code, statements in table.items() for statement in statements]


def one(statement, tier):
    system, source = ("snomed", "georgia") if statement.isdecimal() else ("scp", "ptb-xl")
    return stated(system, [statement], source, tier)


@pytest.mark.parametrize(("code", "statement"), cases(CORE))
def test_a_core_statement_makes_its_class_and_no_other_in_both_tiers(code, statement):
    assert present(one(statement, "core")) == {code}
    assert present(one(statement, "broad")) == {code}


@pytest.mark.parametrize(("code", "statement"), cases(BROAD))
def test_a_broad_statement_makes_its_class_in_the_broad_tier_only(code, statement):
    assert present(one(statement, "core")) == set()
    assert present(one(statement, "broad")) == {code}


def test_inferior_st_depression_is_st_depression_in_both_tiers():
    assert present(snomed("704997005")) == {"STD"}
    assert present(snomed("704997005", tier="broad")) == {"STD"}


@pytest.mark.parametrize(
    ("system", "source", "code", "made"),
    [
        ("aha", "sph", "1", "NSR"),
        ("aha", "sph", "21", "STACH"),
        ("aha", "sph", "22", "SBRAD"),
        ("aha", "sph", "104", "LBBB"),
        ("aha", "sph", "106", "RBBB"),
        ("aha", "sph", "30+308", "ECT"),
        ("aha", "sph", "60", "ECT"),
        ("aha", "sph", "142", "LVH"),
        ("aha", "sph", "143", "RVH"),
        ("code15", "code-15", "normal_ecg", "NSR"),
        ("code15", "code-15", "ST", "STACH"),
        ("ludb_text", "ludb", "Rhythm: Sinus rhythm.", "NSR"),
        ("ludb_text", "ludb", "Stemi: anterior wall", "STEMI"),
        ("ludb_text", "ludb", "Ischemia: inferior wall.", "STD"),
        ("ludb_text", "ludb", "Atrial extrasystole, type: single PAC.", "ECT"),
        ("chapman_figshare", "chapman-figshare", "SB", "SBRAD"),
        ("chapman_figshare", "chapman-figshare", "VPB", "ECT"),
    ],
)
def test_other_systems_speak_for_their_classes(system, source, code, made):
    assert present(stated(system, [code], source)) == {made}


# NSR


def test_a_stated_normal_ecg_in_sinus_rhythm_is_nsr_and_nothing_else():
    states = scp(NORM=100, SR=0)
    assert present(states) == {"NSR"}
    assert unknown(states) == set()


@pytest.mark.parametrize("benign", ["LVOLT", "HVOLT"])
def test_benign_findings_do_not_exclude_nsr(benign):
    assert scp(NORM=100, SR=0, **{benign: 0})["NSR"] == 1


@pytest.mark.parametrize(
    "other",
    "IMI NDT STD_ QWAVE 1AVB LAFB IVCD PACE SARRH AFIB LVH SEHYP VCLVH RAO/RAE ABQRS PVC".split(),
)
@pytest.mark.parametrize("likelihood", [100, 15, 0])
def test_any_other_statement_excludes_nsr_at_any_likelihood(other, likelihood):
    assert scp(NORM=100, SR=0, **{other: likelihood})["NSR"] == 0


def test_a_statement_that_no_table_knows_excludes_nsr():
    assert scp(NORM=100, SR=0, NEWCODE=0)["NSR"] == 0


def test_a_machines_own_words_are_no_label_and_exclude_none():
    states = stated("text", ["Sinus rhythm", "Normal ECG"], "unknown")
    assert set(states.values()) == {-1}
    said = [Statement("text", "Borderline ECG"), Statement("snomed", "164873001")]
    assert named(label(said, "georgia"))["NSR"] == 0


def test_normal_without_a_stated_rhythm_is_neither_nsr_nor_its_absence():
    assert scp(NORM=100)["NSR"] == -1
    assert scp(NORM=100, SARRH=0)["NSR"] == 0


def test_a_doubtful_normal_ecg_is_not_nsr():
    assert scp(NORM=35, SR=0)["NSR"] == 0
    assert scp(NORM=50, SR=0)["NSR"] == 1


def test_scp_sinus_rhythm_alone_does_not_state_a_normal_ecg():
    assert scp(SR=0)["NSR"] == -1


@pytest.mark.parametrize("source", ["ecg-arrhythmia", "georgia", "cpsc_2018", "ptb-xl"])
def test_sinus_rhythm_alone_is_nsr_where_the_source_files_normal_ecgs_so(source):
    assert snomed("426783006", source=source)["NSR"] == 1
    assert snomed("426783006", "251146004", source=source)["NSR"] == 1
    assert snomed("426783006", "164867002", source=source)["NSR"] == 0
    assert snomed("426783006", "270492004", source=source)["NSR"] == 0


@pytest.mark.parametrize("source", ["ptb", "cpsc_2018_extra", "unknown", "new-hospital"])
def test_sinus_rhythm_alone_is_not_enough_where_other_findings_may_go_unsaid(source):
    assert snomed("426783006", source=source)["NSR"] == -1


def test_a_stated_normal_ecg_is_nsr_although_other_classes_are_unknown():
    states = stated("code15", ["normal_ecg"], "code-15")
    assert states["NSR"] == 1
    assert unknown(states) == {"LVH", "RVH", "STEMI", "STD", "ECT"}


@pytest.mark.parametrize("code", ["266249003", "6374002", "426627000", "75532003", "164867002"])
def test_unspecified_findings_and_escape_beats_exclude_nsr_and_make_no_class(code):
    for tier in ("core", "broad"):
        states = snomed("426783006", code, tier=tier)
        assert present(states) == set()
        assert states["NSR"] == 0


def test_septal_hypertrophy_excludes_nsr_and_makes_no_class():
    assert present(scp(NORM=100, SR=0, SEHYP=100)) == set()


# Likelihood


@pytest.mark.parametrize(("likelihood", "state"), [(100, 1), (50, 1), (49, 0), (15, 0), (0, 1)])
def test_a_class_needs_a_likelihood_of_50_or_one_that_is_not_known(likelihood, state):
    assert scp(LVH=likelihood)["LVH"] == state


def test_a_source_without_likelihoods_is_believed():
    assert snomed("164873001")["LVH"] == 1


# STEMI


@pytest.mark.parametrize("mi", "AMI ASMI ALMI LMI IMI ILMI IPLMI IPMI PMI".split())
@pytest.mark.parametrize("stadium", ["Stadium I", "Stadium I-II"])
def test_an_infarction_of_early_stadium_is_stemi_from_either_column(mi, stadium):
    assert scp(**{mi: 100}, stadium1=stadium)["STEMI"] == 1
    assert scp(**{mi: 100}, stadium1="unknown", stadium2=stadium)["STEMI"] == 1


@pytest.mark.parametrize("stadium", ["Stadium II", "Stadium II-III", "unknown", ""])
def test_an_infarction_of_later_or_unknown_stadium_is_no_negative_for_stemi(stadium):
    assert scp(IMI=100, stadium1=stadium)["STEMI"] == -1
    assert scp(IMI=100, stadium1=stadium, tier="broad")["STEMI"] == 1


@pytest.mark.parametrize(
    ("system", "source", "statement", "code"),
    [
        ("scp", "ptb-xl", "IMI", "STEMI"),
        ("scp", "ptb-xl", "VCLVH", "LVH"),
        ("snomed", "georgia", "55827005", "LVH"),
        ("snomed", "georgia", "164865005", "STEMI"),
        ("snomed", "ludb", "54329005", "STEMI"),
        ("aha", "sph", "161+331", "STEMI"),
        ("chapman_figshare", "chapman-figshare", "LVHV", "LVH"),
    ],
)
def test_a_possible_statement_leaves_its_class_unknown_in_the_core_tier(
    system, source, statement, code
):
    assert stated(system, [statement], source)[code] == -1
    assert stated(system, [statement], source, "broad")[code] == 1


@pytest.mark.parametrize(("statement", "code"), [("ILBBB", "LBBB"), ("IRBBB", "RBBB")])
def test_an_incomplete_block_is_no_complete_one(statement, code):
    assert scp(**{statement: 100})[code] == 0


def test_a_core_statement_beside_a_possible_one_counts():
    assert scp(VCLVH=100, LVH=50)["LVH"] == 1
    assert scp(VCLVH=100, LVH=35)["LVH"] == -1
    assert scp(VCLVH=35)["LVH"] == 0


@pytest.mark.parametrize("tier", ["core", "broad"])
def test_stadium_three_in_either_column_is_never_stemi(tier):
    for stadiums in (("Stadium III", ""), ("Stadium I", "Stadium III"), ("Stadium III", "unknown")):
        made = scp(IMI=100, STE_=0, stadium1=stadiums[0], stadium2=stadiums[1], tier=tier)
        assert made["STEMI"] == 0


def test_an_infarction_beside_st_elevation_is_stemi():
    assert scp(IMI=100, STE_=0)["STEMI"] == 1
    assert scp(STE_=0)["STEMI"] == 0
    assert scp(IMI=100, STE_=15)["STEMI"] == -1


def test_likelihood_applies_to_infarction_too():
    assert scp(IMI=35, stadium1="Stadium I")["STEMI"] == 0
    assert scp(INJAS=100, stadium1="Stadium I")["STEMI"] == 0


def test_st_elevation_beside_early_repolarisation_is_no_stemi():
    assert snomed("164931005", tier="broad")["STEMI"] == 1
    assert snomed("164931005", "428417006", tier="broad")["STEMI"] != 1


def test_old_infarction_is_never_stemi_but_an_acute_one_beside_it_is():
    for tier in ("core", "broad"):
        assert present(snomed("164867002", tier=tier)) == set()
        assert present(snomed("164867002", "164865005", tier=tier)) == set()
        assert present(snomed("164867002", "57054005", tier=tier)) == {"STEMI"}


# What is not annotated


def test_a_record_without_statements_has_every_class_unknown():
    record = Record(np.zeros((12, 10), np.float32), 100.0, "bare", source="ptb-xl")
    labels = label_record(record)
    assert (labels.states == -1).all()
    assert labels.reasons == (
        "Every class is unknown: the source states nothing about this record.",
    )


@pytest.mark.parametrize("nothing", ["Unknown", "", "nan"])
def test_dx_unknown_is_no_statement(nothing):
    assert unknown(snomed(nothing)) == set(CODES)


def test_code_15_leaves_what_it_does_not_annotate_unknown():
    states = stated("code15", ["RBBB"], "code-15")
    assert present(states) == {"RBBB"}
    assert unknown(states) == {"LVH", "RVH", "STEMI", "STD", "ECT"}
    assert states["NSR"] == states["LBBB"] == 0


def test_cpsc_annotates_neither_rate_nor_hypertrophy():
    states = snomed("59118001", source="cpsc_2018")
    assert present(states) == {"RBBB"}
    assert unknown(states) == {"STACH", "SBRAD", "LVH", "RVH", "STEMI"}
    assert unknown(snomed("59118001", source="cpsc_2018", tier="broad")) == {
        "STACH",
        "SBRAD",
        "LVH",
        "RVH",
    }


def test_an_unstated_infarction_is_unknown_where_hardly_any_is_annotated():
    assert snomed("426177001", source="ecg-arrhythmia")["STEMI"] == -1
    assert snomed("57054005", source="ecg-arrhythmia")["STEMI"] == 1


def test_a_finding_without_its_side_leaves_both_sides_unknown():
    states = snomed("6374002")
    assert (states["LBBB"], states["RBBB"]) == (-1, -1)
    states = snomed("6374002", "164909002")
    assert (states["LBBB"], states["RBBB"]) == (1, -1)


def test_a_source_nobody_knows_is_believed_only_in_what_it_states():
    states = snomed("164873001", source="new-hospital")
    assert present(states) == {"LVH"}
    assert states["NSR"] == 0
    assert len(unknown(states)) == 8


# Trace


def test_every_class_has_a_reason_that_names_a_statement():
    statements = [Statement("scp", "LVH", 100.0), Statement("scp", "IMI", 35.0)]
    labels = label(statements, "ptb-xl", {"infarction_stadium1": "Stadium I"})
    assert {sentence.split()[0] for sentence in labels.reasons} == set(CODES)
    assert "LVH present: scp LVH (left ventricular hypertrophy) states it." in labels.reasons
    assert (
        "STEMI absent: scp IMI (inferior myocardial infarction) does not count: its likelihood is "
        "35, below 50." in labels.reasons
    )
    assert "NSR absent: scp LVH (left ventricular hypertrophy) excludes it." in labels.reasons


def test_the_reasons_name_the_deciding_stadium():
    labels = label([Statement("scp", "IMI", 100.0)], "ptb-xl", {"infarction_stadium1": "Stadium I"})
    assert (
        "STEMI present: scp IMI (inferior myocardial infarction) states it, infarction stadium: "
        "Stadium I." in labels.reasons
    )


def test_the_reasons_say_why_an_infarction_leaves_stemi_unknown():
    labels = label([Statement("scp", "IMI", 100.0)], "ptb-xl", {"infarction_stadium1": "unknown"})
    assert (
        "STEMI unknown: scp IMI (inferior myocardial infarction) neither states it nor rules it "
        "out, infarction stadium: unknown." in labels.reasons
    )


def test_the_reasons_call_hypertrophy_in_ludb_doubtful():
    stated_as = "Left ventricular hypertrophy."
    labels = label([Statement("ludb_text", stated_as)], "ludb")
    (reason,) = [sentence for sentence in labels.reasons if sentence.startswith("LVH ")]
    assert reason.startswith("LVH present: ")
    assert "doubtful, as this source states it in 108 of 200 records" in reason


def test_the_reasons_mention_a_known_miscoding():
    labels = label([Statement("snomed", "164909002")], "ecg-arrhythmia")
    assert any("LBBB present" in s and "fascicular blocks" in s for s in labels.reasons)
    elsewhere = label([Statement("snomed", "164909002")], "georgia")
    assert not any("fascicular" in sentence for sentence in elsewhere.reasons)


def test_fascicular_blocks_are_no_lbbb_where_the_source_tells_them_apart():
    assert present(stated("chapman_figshare", ["SR", "LFBBB"], "chapman-figshare")) == set()
    assert present(stated("chapman_figshare", ["SR", "NONE"], "chapman-figshare")) == {"NSR"}


def test_an_unknown_tier_is_refused_by_name():
    with pytest.raises(NotFound, match="There is no tier 'wide'"):
        label([], tier="wide")
