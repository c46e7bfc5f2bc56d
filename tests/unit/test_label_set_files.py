"""Label sets as files: checked by name and line, and read by the rules that they state."""

import numpy as np
import pytest
from own_archive import RECORDS, own_cohort, row_of

from ecgcore.cohort import label_versions
from ecgcore.cohort.label_set_draft import write_draft
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.subsets import build_split
from ecgcore.errors import NotFound, RequestError
from ecgcore.labels.label_rules import parse_term
from ecgcore.labels.label_set_file import (
    as_rules,
    built_in_text,
    find_label_set,
    parse_label_set,
    set_names,
    to_toml,
)
from ecgcore.labels.label_sets import LABEL_SETS, label_set
from ecgcore.labels.targets import targets

TEXT = """title = "rhythm"
least_likelihood = 80

[annotated]
ptb-xl = ["AF"]

[[class]]
code = "AF"
name = "Atrial fibrillation"
colour = "#B2182B"
any = ["scp AFIB", "column afib"]
none = ["column paced"]

[[class]]
code = "LOW_EF"
any = ["column ef < 35"]

[[class]]
code = "OTHER"
otherwise = true
"""


class Stated:
    """Evidence of four records."""

    n_records = 4
    statements = (
        '[["scp", "AFIB", 100]]',
        '[["scp", "AFIB", 50]]',
        "[]",
        '[["scp", "NORM", 100]]',
    )
    sources = ("ptb-xl", "ptb-xl", "other", "ptb-xl")

    def __init__(self, **columns):
        nothing = np.full(4, np.nan)
        self.columns = dict.fromkeys(("afib", "paced", "ef"), nothing) | columns

    def column(self, code):
        return self.columns[code], ~np.isnan(self.columns[code])

    def paper10(self):
        return np.full((4, 10), -1)

    def measure(self, name):
        return np.array([150.0, 80, np.nan, 120])


def states(text, **columns):
    found = parse_label_set(text, "mine")
    return dict(zip(found.codes, found.states_of(Stated(**columns)).T.tolist(), strict=True))


@pytest.mark.parametrize("name", LABEL_SETS)
def test_a_built_in_set_written_as_a_file_gives_the_same_states(examples_home, name):
    cohort = Cohort.open("examples", examples_home)
    from_file = parse_label_set(built_in_text(name), "copy")
    assert from_file.classes == label_set(name).classes
    np.testing.assert_array_equal(cohort.states(label_set=from_file), cohort.states(label_set=name))


def test_a_set_survives_writing_and_reading():
    found = parse_label_set(TEXT, "mine")
    assert parse_label_set(to_toml(found), "mine") == found
    assert found.colours == {"AF": "#B2182B"}


def test_a_statement_counts_from_its_likelihood_and_is_absent_where_it_is_annotated():
    assert states(TEXT)["AF"] == [1, -1, -1, 0]


def test_a_table_answers_where_a_source_states_nothing_and_a_doubt_stays_open():
    table = np.array([0, 0, 1, np.nan])
    assert states(TEXT, afib=table)["AF"] == [1, -1, 1, 0]


def test_an_exclusion_makes_a_class_absent():
    assert states(TEXT, paced=np.array([1, 0, 1, 1.0]))["AF"] == [0, -1, 0, 0]


def test_a_threshold_and_the_class_of_all_others():
    found = states(TEXT, ef=np.array([30, 60, 34.9, 35]), afib=np.zeros(4))
    assert found["LOW_EF"] == [1, 0, 1, 0]
    assert found["OTHER"] == [0, -1, 0, 1]


def test_a_measurement_and_an_exclusion_of_whole_records():
    text = 'exclude = ["measure qrs_ms > 140"]\n' + "".join(
        f'[[class]]\ncode = "{code}"\nany = ["measure qrs_ms {term}"]\n'
        for code, term in (("WIDE", ">= 120"), ("NARROW", "< 120"))
    )
    assert states(text) == {"WIDE": [-1, 0, -1, 1], "NARROW": [-1, 1, -1, 0]}


WRONG = {
    "toml": ("title = ", "no TOML"),
    "one class": ('[[class]]\ncode = "A"\notherwise = true\n', "it has 1 classes"),
    "key": (TEXT.replace("least_likelihood", "least"), "line 2: 'least' is none of"),
    "type": (TEXT.replace("= 80", '= "80"'), "line 2: least_likelihood has another type"),
    "range": (TEXT.replace("= 80", "= 180"), "line 2: least_likelihood is a percentage"),
    "term": (TEXT.replace("scp AFIB", "scp"), "line 11: AF: 'scp' is no term"),
    "system": (TEXT.replace("scp AFIB", "scpp AFIB"), "Did you mean 'scp'"),
    "class": (TEXT.replace('["AF"]', '["AFF"]'), "line 5: annotated.ptb-xl: there is no class"),
    "twice": (TEXT.replace("LOW_EF", "AF"), "line 15: two classes have the code AF"),
    "empty": (TEXT.replace("otherwise = true", ""), "line 19: class OTHER needs terms"),
    "colour": (TEXT.replace("#B2182B", "red"), "line 10: the colour of AF"),
    "code": (TEXT.replace("LOW_EF", "LOW EF"), "line 15: class 2 needs a code"),
    "mode": (TEXT.replace("[annotated]", 'mode = "x"\n[annotated]', 1), "line 4: mode is none"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_an_error_in_a_file_is_told_by_name_and_line(kind):
    text, expected = WRONG[kind]
    with pytest.raises(RequestError) as refused:
        parse_label_set(text, "mine")
    assert expected in str(refused.value)
    assert "Label set 'mine'" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["scp AFIB", "column ef < 35", "measure qrs_ms >= 120.5"])
def test_a_term_is_written_as_it_is_read(text):
    assert str(parse_term(text)) == text


def test_the_order_of_a_set_ranks_its_classes():
    stated = np.array([[0, 1, 1], [1, 1, 0]], np.int8)
    ranked = targets(stated, "priority", ("A", "B", "C"), is_ranked=True)
    assert ranked.y.tolist() == [[0, 1, 0], [1, 0, 0]]
    with pytest.raises(RequestError, match="no order of priority"):
        targets(stated, "priority", ("A", "B", "C"))


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Return (workspace, cohort) with an imported column of yes and no, and one of numbers."""
    workspace, cohort = own_cohort(tmp_path_factory.mktemp("own"))
    import pyarrow as pa

    marks = [float(i % 2) for i in range(RECORDS)]
    label_versions.append_version(
        cohort.folder,
        "import",
        "me",
        cohort.index["record"].iloc[[row_of(cohort, i) for i in range(RECORDS)]],
        {"af": pa.array(marks), "ef": pa.array([30.0 + i for i in range(RECORDS)])},
        titles={"af": "Atrial fibrillation"},
    )
    return workspace, Cohort.open("own", workspace)


def test_a_draft_of_one_column_has_two_classes_that_exclude_each_other(imported):
    workspace, cohort = imported
    file, drafted = write_draft("one", "own", workspace)
    assert drafted.codes == ("af", "no_af")
    assert drafted.mode == "exclusive"
    assert find_label_set("one", workspace.label_sets) == drafted
    split = build_split(cohort, "all", "exclusive", label_set=drafted)
    assert np.isfinite(split.y).all()
    assert split.y.sum() == len(split.y)
    assert "cannot be excluded" in split.notes[-1]
    with pytest.raises(RequestError, match="is a label set 'one' already"):
        write_draft("one", "own", workspace)
    assert set_names(workspace.label_sets) == [*LABEL_SETS, "one"]
    assert file.parent == workspace.label_sets


def test_a_draft_may_copy_a_set_and_names_are_checked(imported):
    workspace, _ = imported
    _, copied = write_draft("copy", "ptbxl5", workspace)
    assert copied.rules == as_rules(label_set("ptbxl5")).rules
    with pytest.raises(RequestError, match="cannot be called 'paper10'"):
        write_draft("paper10", "own", workspace)
    with pytest.raises(NotFound, match="no cohort or label set 'oen'"):
        write_draft("new", "oen", workspace)
    with pytest.raises(NotFound, match="column of yes and no 'ef'"):
        write_draft("new", "own", workspace, ("ef",))
    with pytest.raises(NotFound, match="label new NAME"):
        find_label_set("none", workspace.label_sets)
    with pytest.raises(NotFound):
        find_label_set("../secret", workspace.label_sets)


def test_a_class_of_a_column_that_was_not_imported_is_refused(imported):
    _, cohort = imported
    found = parse_label_set(TEXT, "mine")
    with pytest.raises(NotFound, match="no imported column 'afib'"):
        cohort.states(label_set=found)


def test_the_commands_list_show_and_write_sets(imported, run):
    workspace, _ = imported
    (workspace.label_sets / "bad.toml").write_text("title = ")
    code, out, _ = run("label", "sets", "--home", workspace.path)
    assert code == 0
    assert "no TOML" in out
    code, out, _ = run("label", "sets", "--show", "ptbxl5", "--home", workspace.path)
    assert parse_label_set(out, "x").codes == label_set("ptbxl5").codes
    code, out, _ = run("label", "new", "two", "--from", "own", "--home", workspace.path)
    assert (code, "2 classes (af, no_af)" in out) == (0, True)
