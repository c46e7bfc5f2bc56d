"""Notes of reading are shown wherever a record is: on Browse and on Classify."""

import numpy as np
from reading import words
from recordings import DATA, write_csv

from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.store import Cohort
from ecgcore.records.read import read_record
from ecgcore.records.record import LEADS
from ecgcore.workspace import Workspace

NOTES = ("scale assumed: mV", "not used: RESP")


def write_doubtful(folder):
    """Write a recording that states no unit and has a column that is no lead."""
    record = read_record(DATA / "ptb-xl" / "records100" / "00000" / "00001_lr.hea")
    table = np.vstack([record.signal_mv, np.ones((1, 1000))]).T
    return write_csv(folder / "x_100hz.csv", table, ",".join((*LEADS, "RESP")))


def test_browse_shows_the_notes_of_a_record(open_page, workspace: Workspace, tmp_path):
    ingest(write_doubtful(tmp_path), "c", workspace, workers=1, measure=False)
    [name] = Cohort.open("c", workspace).index["record"]
    text = words(open_page("browse", cohort="c", record=name))
    assert all(note in text for note in NOTES)


def test_classify_shows_the_notes_of_an_upload_and_lists_them_of_several(
    open_page, workspace: Workspace, tmp_path
):
    content = write_doubtful(tmp_path).read_bytes()
    app = open_page("classify", classify_runs="alexnet_m_se_gap")
    for name in ("a_100hz.csv", "b_100hz.csv"):
        app.file_uploader[0].upload(name, content)
    app.run()
    assert all(note in words(app) for note in NOTES)
    assert all(note in text for note in NOTES for text in app.dataframe[0].value["notes"])
