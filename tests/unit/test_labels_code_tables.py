"""Code tables: every row is supported by the words of its source."""

import csv
from pathlib import Path

import pytest

from ecgcore.labels import code_tables
from ecgcore.labels.classes import CODES, TIERS

ROOT = Path(__file__).parents[2]
CONDITIONS = ROOT / "data/ecg-arrhythmia/ConditionNames_SNOMED-CT.csv"
ALL_RULES = [rule for rules in code_tables.statement_rules().values() for rule in rules]
SOURCES = (
    "ptb-xl ecg-arrhythmia cpsc_2018 cpsc_2018_extra georgia ptb ludb code-15 sph "
    "chapman-figshare unknown"
).split()
CLASS_TIERS = {"core", "broad", "possible", "by_stadium", "unclear"}
NSR_TIERS = {"normal", "normal_with_sinus", "sinus", "sinus_alone"}
WORDS = {
    "NSR": ("normal ecg", "sinus rhythm"),
    "STACH": ("sinus tachycardia",),
    "SBRAD": ("bradycardia",),
    "LBBB": ("left bundle branch block", "bundle branch block"),
    "RBBB": ("right bundle branch block", "bundle branch block"),
    "LVH": (
        "left ventricular hypertrophy",
        "left ventricle hypertrophy",
        "left ventricular high voltage",
        "left ventricle high voltage",
        "ventricular hypertrophy",
    ),
    "RVH": ("right ventric", "ventricular hypertrophy"),
    "STEMI": ("infarction", "infraction", "infgraction", "st elevation", "stemi", "st tilt up"),
    "STD": ("ischemi", "ischaemi", "subendocardial injury", "st ", "st-", "s t ", "repolari"),
    "ECT": ("premature", "bigemin", "trigemin", "ectopic", "extrasystole"),
}


def published(file: Path, column: str) -> set[str]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        return {row[column] for row in csv.DictReader(opened)}


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: f"{rule.system} {rule.code}")
def test_every_statement_names_a_class_in_words_that_fit_it(rule):
    assert rule.words
    assert rule.source
    if rule.code_class == "":
        assert rule.tier == "none"
        return
    assert rule.code_class in CODES
    assert rule.tier in (NSR_TIERS if rule.code_class == "NSR" else CLASS_TIERS)
    assert any(words in rule.words.lower() for words in WORDS[rule.code_class])


def test_left_and_right_are_not_confused():
    for rule in ALL_RULES:
        if rule.code_class in ("LBBB", "LVH"):
            assert "right" not in rule.words
        if rule.code_class in ("RBBB", "RVH"):
            assert "left" not in rule.words


def test_scp_codes_are_exactly_the_published_ones():
    file = ROOT / "examples/ptb-xl/scp_statements.csv"
    assert {code for system, code in code_tables.statement_rules() if system == "scp"} == published(
        file, ""
    )


def test_aha_codes_agree_with_those_beside_the_scp_statements():
    with (ROOT / "examples/ptb-xl/scp_statements.csv").open(newline="") as file:
        scp_of = {row["AHA code"]: row[""] for row in csv.DictReader(file) if row["AHA code"]}
    shared = [rule for rule in ALL_RULES if rule.system == "aha" and rule.code in scp_of]
    assert len(shared) >= 25
    for rule in shared:
        scp = code_tables.statement_rules()["scp", scp_of[rule.code]][0]
        # PTB-XL tells an infarction's age in columns, AHA in a modifier: without it, possible.
        same = {"by_stadium": "possible", "normal_with_sinus": "normal", "sinus": "none"}
        assert rule.tier == same.get(scp.tier, scp.tier)
        assert rule.code_class == ("" if scp.tier == "sinus" else scp.code_class)


def test_an_aha_code_keeps_only_the_modifiers_that_matter():
    assert code_tables.canonical_code("aha", "30+308") == "30"
    assert code_tables.canonical_code("aha", "145+362") == "145+362"
    assert code_tables.canonical_code("aha", "160+312+330") == "160+330"
    assert code_tables.canonical_code("aha", "147+367") == "147"


def test_every_primary_statement_of_sph_is_known():
    primary = "1 21 22 23 30 31 36 37 50 51 54 60 80 81 82 83 84 85 86 87 88 101 102 104 105"
    primary += " 106 108 120 121 125 140 142 143 145 146 147 148 152 153 155 160 161 165 166"
    assert len(primary.split()) == 44
    assert {("aha", code) for code in primary.split()} <= set(code_tables.statement_rules())


@pytest.mark.data
@pytest.mark.skipif(not CONDITIONS.exists(), reason="data/ecg-arrhythmia is not unpacked")
def test_every_condition_of_chapman_is_known_by_code_and_by_acronym():
    snomed = {code for system, code in code_tables.statement_rules() if system == "snomed"}
    acronyms = {
        code for system, code in code_tables.statement_rules() if system == "chapman_figshare"
    }
    assert published(CONDITIONS, "Snomed_CT") <= snomed
    assert published(CONDITIONS, "AcronymName") <= acronyms


def test_no_statement_has_two_rules_for_one_class():
    keys = [(rule.system, rule.code, rule.code_class) for rule in ALL_RULES]
    assert len(keys) == len(set(keys))


def test_codes_of_the_smaller_tables_are_in_the_large_one_or_canonical():
    for system, code in code_tables.benign_statements():
        assert code_tables.canonical_code(system, code) == code
    for rules in code_tables.combination_rules().values():
        for rule in rules:
            assert (rule.system, rule.code) in code_tables.statement_rules()
            assert (rule.system, rule.other_code) in code_tables.statement_rules()
            assert rule.tier in ("core", "never")
    for _, system, code in code_tables.known_miscodings():
        assert (system, code) in code_tables.statement_rules()


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("source", SOURCES)
def test_every_source_has_a_coverage_of_every_class(source, tier):
    coverage = code_tables.annotation_coverage(source, frozenset({"snomed"}), tier)
    assert set(coverage) == set(CODES)
    for of_class in coverage.values():
        assert of_class.level in code_tables.COVERAGE_LEVELS
        assert of_class.evidence


def test_a_source_that_is_not_in_the_table_is_treated_as_unknown():
    of_new_source = code_tables.annotation_coverage("new-hospital", frozenset(), "core")
    assert of_new_source == code_tables.annotation_coverage("unknown", frozenset(), "core")


@pytest.mark.parametrize(
    ("system", "code", "canonical"),
    [
        ("aha", "30+308", "30"),
        ("aha", "104", "104"),
        ("aha", "145+362", "145+362"),
        ("ludb_text", "Rhythm: Sinus rhythm.", "sinus rhythm"),
        ("ludb_text", "Stemi: anterior wall", "stemi: anterior wall"),
        ("ludb_text", "STEMI: anterior wall. ", "stemi: anterior wall"),
        ("snomed", " 426783006 ", "426783006"),
        ("scp", "PRC(S)", "PRC(S)"),
    ],
)
def test_codes_have_one_spelling(system, code, canonical):
    assert code_tables.canonical_code(system, code) == canonical


def test_the_hash_of_the_tables_is_short_and_stable():
    first = code_tables.tables_hash()
    code_tables.tables_hash.cache_clear()
    assert code_tables.tables_hash() == first
    assert len(first) == 16


def test_a_change_of_the_tables_is_noticed_because_new_runs_record_another_hash():
    assert code_tables.tables_hash() == "c66a0726e5b58ca1"


def test_the_hash_covers_every_table_of_the_folder():
    folder = Path(code_tables.__file__).parent
    assert sorted(code_tables.HASHED_TABLES) == sorted(path.name for path in folder.glob("*.csv"))
