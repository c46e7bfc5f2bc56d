"""Importing a table of labels from Overview: matched, shown, mapped, imported, and a set made."""

import pytest
from own_archive import RECORDS, file_of, own_cohort

from ecgcore.cohort.label_versions import list_versions
from ecgcore.labels.label_set_file import find_label_set

STEMS = [file_of(i).rpartition("/")[2].removesuffix(".hea") for i in range(RECORDS)]
ROWS = [f"{stem},{'yes' if i % 2 else 'no'},Frau Meier" for i, stem in enumerate(STEMS[:8])]
TABLE = "\n".join(["Datei,AF?,Name", *ROWS, "ekg_0099,1,"]).encode()


@pytest.fixture
def archive(workspace):
    """Return the app's workspace with the cohort ``own``."""
    return own_cohort(workspace.path.parent)[0]


def upload(open_page, name, content):
    app = open_page("overview")
    app.session_state["labels_import"] = True
    return app.run().file_uploader(key="labels_file").upload(name, content).run()


def shown(app, column):
    """Return the one table of the page that has a column."""
    (frame,) = (f.value for f in app.dataframe if column in f.value.columns)
    return frame


def test_a_table_is_matched_shown_imported_and_made_a_label_set(open_page, archive):
    app = upload(open_page, "t.csv", TABLE)
    assert not app.exception
    text = " ".join(m.value for m in app.markdown)
    assert "**8** of 9 rows match **8** records; 1 rows without a record, 4 records" in text
    assert shown(app, "nearest")["id"].tolist() == ["ekg_0099"]
    assert shown(app, "use").to_numpy().tolist() == [
        ["record", "Datei"],
        ["labels", "AF?"],
        ["not used", "Name"],
    ]
    assert not list_versions(archive.cohorts / "own")
    app.button(key="labels_start").click().run()
    (version,) = list_versions(archive.cohorts / "own")
    assert version.hash in app.success[0].value
    app.text_input(key="labels_set").set_value("ward").run()
    app.button(key="labels_make").click().run()
    assert find_label_set("ward", archive.label_sets).codes == ("AF", "no_AF")
    assert "Meier" not in "".join(str(element) for element in app.main)


def test_columns_are_mapped_by_lists_and_a_bad_table_is_one_line(open_page, archive):
    app = upload(open_page, "t.csv", TABLE)
    app.selectbox(key="labels_record").select("Name").run()
    assert "None of the 9 rows names a record" in app.error[0].value
    app = upload(open_page, "t.xlsx", b"no workbook")
    assert "damaged or encrypted" in app.error[0].value
    assert not app.exception
