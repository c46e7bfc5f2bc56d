"""Tables of labels: matched with records, told both ways, and never guessed."""

import datetime
import json
import shutil

import numpy as np
import openpyxl
import pandas as pd
import pytest
from own_archive import RECORDS, file_of, own_cohort, row_of
from recordings import limb_consistent_uv, write_wfdb

from ecgcore.cohort import label_versions
from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.label_columns import ColumnRoles
from ecgcore.cohort.label_import import apply_import, plan_import
from ecgcore.cohort.store import Cohort
from ecgcore.errors import DamagedFile, NotFound, RequestError
from ecgcore.labels import cells
from ecgcore.labels.table_file import read_label_table

STEMS = [file_of(i).rpartition("/")[2].removesuffix(".hea") for i in range(RECORDS)]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Return (workspace, cohort) that no test writes into."""
    return own_cohort(tmp_path_factory.mktemp("own"))


@pytest.fixture
def writable(archive, tmp_path):
    """Return a copy of the archive's workspace and its cohort, to write into."""
    workspace = type(archive[0])(tmp_path / "home")
    shutil.copytree(archive[0].path, workspace.path)
    return workspace, Cohort.open("own", workspace)


def write(tmp_path, text, name="t.csv", encoding="utf-8"):
    file = tmp_path / name
    file.write_bytes(text.encode(encoding))
    return file


def plan_of(archive, file, **options):
    return plan_import(archive[1], file, archive[0], **options)


def states(plan, code):
    return {(f.present, f.absent, f.unknown) for f in plan.findings if f.code == code}.pop()


def test_an_untidy_table_is_matched_and_all_that_is_not_is_told_both_ways(archive, tmp_path):
    lines = ["Datei;VHF seit?;Bemerkung"]
    marks = ["yes", "1", "TRUE", "x", "ja", "0", "no", "false", "", "n/a"]
    lines += [f"{STEMS[i]}.hea;{mark};Frau Meier" for i, mark in enumerate(marks)]
    lines += ["ekg_0099.hea;1;", "Anna Meier;1;", f"{STEMS[0]}.hea;1;", f"{STEMS[1]}.hea;no;"]
    plan = plan_of(archive, write(tmp_path, "\n".join(lines)))
    assert (plan.rows, plan.matched, plan.records, plan.repeated) == (14, 12, 10, 2)
    assert plan.roles.record == "Datei"
    assert plan.roles.labels == ("VHF seit?",)
    assert plan.unused == ("Bemerkung",)
    assert [(u.row, u.id, u.why) for u in plan.unmatched] == [
        (12, "ekg_0099.hea", "no such record"),
        (13, "", "no such record"),  # words may be a name: not repeated
    ]
    assert plan.unmatched[0].nearest.startswith("ekg_000")
    assert len(plan.without_row) == 2
    assert [code for _, code in plan.conflicts] == ["VHF_seit"]  # 1 and no: unknown
    assert states(plan, "VHF_seit") == (4, 3, 3)
    assert "Meier" not in json.dumps(plan.as_json())


@pytest.mark.parametrize(
    "cell", [STEMS[3], f"{STEMS[3]}.hea", file_of(3), f"./{file_of(3)}", "p001\\ekg_0003"]
)
def test_a_record_is_found_by_file_name_or_end_of_path(archive, tmp_path, cell):
    others = [f"{STEMS[i]},0" for i in (0, 1)]
    plan = plan_of(archive, write(tmp_path, "\n".join(["file,AF", f"{cell},1", *others])))
    assert (
        plan._content["records"][int(np.argmax(plan._content["values"]["AF"] == 1))]
        == (archive[1].index["record"][row_of(archive[1], 3)])
    )


def test_an_id_inside_the_path_is_found_by_a_pattern(archive, tmp_path):
    file = write(tmp_path, "id,AF\n0003,1\n0004,0\n3,1\n")
    plan = plan_of(archive, file, id_from=r"ekg_(\d+)")
    assert plan.matched == 2  # zeros in front count
    with pytest.raises(RequestError, match="needs one group"):
        plan_of(archive, file, id_from="ekg")


def test_what_a_table_leaves_out_stays_unknown_unless_it_is_asked_for(archive, tmp_path):
    file = write(tmp_path, f"file,dx\n{STEMS[0]},AF|LBBB\n{STEMS[1]},['AF']\n{STEMS[2]},\n")
    asked = ColumnRoles(record="file", classes="dx")
    assert states(plan_of(archive, file, given=asked), "AF") == (2, 0, 1)
    plan = plan_of(archive, file, given=asked, absent_if_missing=True)
    assert (states(plan, "AF"), states(plan, "LBBB")) == ((2, 1, 0), (1, 2, 0))


def test_rows_of_one_record_and_statement_each_are_put_together(archive, tmp_path):
    file = write(tmp_path, f"file,rhythm\n{STEMS[0]},AF\n{STEMS[0]},PVC\n{STEMS[1]},AF\n")
    plan = plan_of(archive, file)
    assert (states(plan, "AF"), states(plan, "PVC")) == ((2, 0, 0), (1, 0, 1))


def test_attributes_reach_the_index_and_a_row_may_be_a_patients(writable, tmp_path):
    workspace, cohort = writable
    rows = [
        f"{STEMS[i]},1,PAT{i // 2},{40 + i},{'mf'[i % 2]},2020-01-{i + 1:02d},north,5"
        for i in range(RECORDS)
    ]
    head = "file,AF,patient,age,sex,date,site,fold"
    apply_import(
        cohort,
        plan_import(cohort, write(tmp_path, "\n".join([head, *rows])), workspace),
        workspace,
        "me",
    )
    index = Cohort.open("own", workspace).index
    row = row_of(cohort, 5)
    assert index["patient"].nunique() == 6
    assert (index["age"][row], index["sex"][row], index["fold"][row]) == (45, "female", 5)
    assert json.loads(index["details"][row]) == {"order": "2", "site": "north"}
    stored = b"".join(f.read_bytes() for f in (cohort.folder / "labels").iterdir())
    assert b"PAT2" not in stored
    assert b"2020-01" not in stored
    by_patient = write(tmp_path, "patient,died\nPAT2,yes\nPAT9,no\n", "p.csv")
    plan = plan_import(Cohort.open("own", workspace), by_patient, workspace)
    assert (plan.records, states(plan, "died"), plan.n_unmatched) == (2, (2, 0, 0), 1)


WAYS = ["csv", "tsv", "xlsx", "parquet"]


@pytest.mark.parametrize("way", WAYS)
def test_every_kind_of_file_gives_the_same(archive, tmp_path, way):
    frame = pd.DataFrame(
        {"file": STEMS[:4], "AF": [True, False, True, None], "ef": [35.5, 60, None, 41]}
    )
    file = tmp_path / f"t.{way}"
    if way == "parquet":
        frame.to_parquet(file)
    elif way == "xlsx":
        frame.to_excel(file, index=False)
    else:
        frame.to_csv(file, index=False, sep="\t" if way == "tsv" else ",")
    plan = plan_of(archive, file, given=ColumnRoles(numbers=("ef",), labels=("AF",)))
    assert states(plan, "AF") == (2, 1, 1)
    assert np.nansum(plan._content["values"]["ef"]) == 136.5


def book(tmp_path, rows, merge=None):
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.active.append(row)
    if merge:
        workbook.active.merge_cells(merge)
    workbook.save(tmp_path / "t.xlsx")
    return tmp_path / "t.xlsx"


GOOD = [[stem, 1] for stem in STEMS[:5]]
BAD_TABLES = {
    "no header": (lambda p: write(p, "".join(f"{s},1\n" for s in STEMS[:5])), "no row of column"),
    "two headers": (
        lambda p: book(p, [["file", "AF"], ["(name)", "(0/1)"], *GOOD]),
        "second row of names",
    ),
    "title": (
        lambda p: book(p, [["Export", None, None], ["file", "AF", "n"], *[[*g, 2] for g in GOOD]]),
        "a title",
    ),
    "merged cells": (lambda p: book(p, [["file", "AF"], *GOOD], "A2:A3"), "merged cells"),
    "formulas": (
        lambda p: book(p, [["file", "AF"], *GOOD, [STEMS[6], "=1+0"]]),
        "1 cells hold formulas",
    ),
    "long row": (lambda p: write(p, f"file,AF\n{STEMS[0]},1\n{STEMS[1]},1,2\n"), "rows of unlike"),
    "one column": (lambda p: write(p, "file\na\nb\n"), "one column"),
    "empty": (lambda p: write(p, ""), "empty"),
    "names only": (lambda p: write(p, "file,AF\n"), "no rows below"),
    "two of one name": (lambda p: write(p, "file,AF,AF\na,1,0\n"), "one name"),
    "no table": (lambda p: write(p, "PK\x03\x04 no zip", "t.xlsx"), "damaged or encrypted"),
    "no parquet": (lambda p: write(p, "PAR1", "t.parquet"), "no whole Parquet"),
    "other kind": (lambda p: write(p, "", "t.ods"), "is a file .csv"),
    "no record": (lambda p: write(p, "file,AF\na,1\nb,0\n"), "No column names records"),
    "no label": (lambda p: write(p, f"file,words\n{STEMS[0]},so so\n"), "No column holds labels"),
}


@pytest.mark.parametrize("kind", BAD_TABLES)
def test_a_bad_table_is_refused_in_one_line(archive, tmp_path, kind):
    make, expected = BAD_TABLES[kind]
    with pytest.raises(RequestError, match=expected) as refused:
        plan_of(archive, make(tmp_path))
    assert "\n" not in str(refused.value)
    assert not any(stem in str(refused.value) for stem in STEMS)


def test_windows_letters_and_a_thousand_columns_are_read(archive, tmp_path):
    head = ["Datei", "Lungenödem", *(f"c{i}" for i in range(998))]
    rows = [[stem, "1", *["0"] * 998] for stem in STEMS[:3]]
    text = "\n".join(",".join(row) for row in [head, *rows])
    file = write(tmp_path, text, encoding="windows-1252")
    asked = ColumnRoles(labels=("Lungenödem",))
    plan = plan_of(archive, file, given=asked)
    assert states(plan, "Lungenödem") == (3, 0, 0)
    assert any("windows-1252" in note for note in plan.notes)
    with pytest.raises(RequestError, match="999 columns of yes and no"):
        plan_of(archive, file)


def test_excels_dates_and_serial_numbers_are_one_time_and_unclear_ones_none():
    times = cells.parse_dates(["2020-02-01", "43862", "01.02.2020"])
    assert set(times.values()) == {datetime.datetime(2020, 2, 1)}
    assert cells.parse_dates(["01/02/2020", "03/04/2020"]) is None
    assert cells.parse_dates(["01/02/2020", "31/12/2020"])["01/02/2020"].month == 2
    assert cells.parse_dates(["soon"]) is None


def test_two_columns_that_name_different_records_are_not_chosen_between(archive, tmp_path):
    file = write(tmp_path, f"a,b,AF\n{STEMS[0]},{STEMS[1]},1\n{STEMS[2]},{STEMS[3]},0\n")
    with pytest.raises(RequestError, match="'a' and 'b' name different records"):
        plan_of(archive, file)
    assert plan_of(archive, file, given=ColumnRoles(record="b")).roles.record == "b"


def test_a_column_with_a_few_other_cells_is_told_or_refused(archive, tmp_path):
    rows = [f"{s},1,{'maybe' if i == 4 else 'no'}" for i, s in enumerate(STEMS)]
    file = write(tmp_path, "\n".join(["file,AF,LBBB", *rows]))
    plan = plan_of(archive, file)
    assert "Column 'LBBB' is not used: 1 of 12" in plan.notes[0]
    with pytest.raises(RequestError, match=r"no yes or no \(rows 6\)"):
        plan_of(archive, file, given=ColumnRoles(labels=("LBBB",)))


def test_versions_are_appended_and_name_each_state(writable, tmp_path):
    workspace, cohort = writable

    def put(text):
        return apply_import(
            cohort, plan_import(cohort, write(tmp_path, text), workspace), workspace, "me"
        )

    first = put(f"file,AF\n{STEMS[0]},1\n{STEMS[1]},0\n")
    second = put(f"file,AF\n{STEMS[1]},1\n")
    assert (second.number, second.parent) == (2, first.hash)
    now, then = Cohort.open("own", workspace), Cohort(cohort.folder, first.hash)
    row = row_of(cohort, 1)
    assert (now.overlay.values["AF"][row], then.overlay.values["AF"][row]) == (1, 0)
    changes = label_versions.diff(cohort.folder, cohort.index["record"], first.hash, "2")
    assert changes.to_dict("records") == [
        {
            "record": cohort.index["record"][row],
            "column": "AF",
            "before": "absent",
            "after": "present",
        }
    ]
    with pytest.raises(NotFound, match="no version 'x'"):
        label_versions.find_version(cohort.folder, "x")


def test_an_altered_or_missing_version_is_found(writable, tmp_path):
    workspace, cohort = writable
    for mark in "10":
        file = write(tmp_path, f"file,AF\n{STEMS[0]},{mark}\n{STEMS[1]},1\n")
        apply_import(cohort, plan_import(cohort, file, workspace), workspace, "me")
    first, second = sorted((cohort.folder / "labels").iterdir())
    second.write_bytes(first.read_bytes())
    with pytest.raises(DamagedFile, match="does not follow"):
        _ = Cohort.open("own", workspace).index
    first.unlink()
    with pytest.raises(DamagedFile, match="a version before it is missing"):
        _ = Cohort.open("own", workspace).index


def test_the_command_writes_nothing_on_a_dry_run(writable, tmp_path, run):
    workspace, cohort = writable
    file = write(tmp_path, f"file,AF\n{STEMS[0]},1\n{STEMS[1]},0\n")
    code, out, _ = run("label", "import", "own", file, "--dry-run", "--home", workspace.path)
    assert (code, "Dry run" in out, label_versions.exist(cohort.folder)) == (0, True, False)
    code, out, err = run("label", "import", "own", file, "--who", "me", "--home", workspace.path)
    assert (code, "Version 1" in out, "label new" in err) == (0, True, True)
    code, out, _ = run("label", "versions", "own", "--json", "--home", workspace.path)
    assert json.loads(out)["versions"][0]["who"] == "me"
    code, out, _ = run("label", "diff", "own", "ingested", "1", "--home", workspace.path)
    assert out.startswith("2 changes in 2 records.")


def test_a_table_that_is_missing_is_refused(tmp_path):
    with pytest.raises(RequestError, match="no such file"):
        read_label_table(tmp_path / "none.csv")


def test_patients_are_found_in_paths_by_a_pattern_that_is_kept(tmp_path):
    workspace, cohort = own_cohort(tmp_path)
    assert cohort.index["patient"].isna().all()
    ingest(tmp_path / "in", "own", workspace, workers=1, measure=False, patient_from=r"p(\d+)/")
    index = Cohort.open("own", workspace).index
    assert index["patient"].nunique() == 6
    assert index["patient"][row_of(cohort, 4)] == index["patient"][row_of(cohort, 5)]
    write_wfdb(tmp_path / "in" / "p005", "late", limb_consistent_uv(1000, 50), fs_hz=100)
    ingest(tmp_path / "in", "own", workspace, workers=1, measure=False)
    index = Cohort.open("own", workspace).index
    assert (len(index), index["patient"].nunique()) == (13, 6)
    with pytest.raises(RequestError, match="needs one group"):
        ingest(tmp_path / "in", "own", workspace, patient_from="p")
