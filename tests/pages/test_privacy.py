"""No personal name in an uploaded recording appears on the page."""

from planted import plant, traces
from reading import words


def test_no_name_in_an_uploaded_file_is_on_the_page(open_page, workspace, tmp_path):
    files = plant(tmp_path / "in", "x")
    app = open_page("classify")
    app.file_uploader[0].upload(files[0].name, files[0].read_bytes()).run()
    assert "Record ECG 1." in words(app)
    assert traces(words(app)) == []
