"""Pages with damaged workspaces, texts of strangers and URLs of every sort: no page fails."""

import json
import shutil
from itertools import cycle

import pandas as pd
import pytest
from reading import words

from dashboard.plain_text import csv_of, message, plain
from ecgcore.workspace import Workspace

PAGES = ("overview", "browse", "train", "compare", "classify", "saliency", "studies")
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "image": "![x](https://example.org/x.png)",
    "long": "9" * 20_000,
    "number": "-1e999",
    "path": "../../etc/passwd",
    "null": "\x00\n",
}
DAMAGED = {
    "empty": b"",
    "list": b"[]",
    "NaN": b"NaN",
    "text": b'"text"',
    "zeros": bytes(1_000_000),
}
PARAMETERS = (
    "cohort", "record", "records", "why", "a", "b", "classify_runs", "classify_example",
    "compare_tab", "train_epochs", "train_size", "train_seed", "train_where",
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_a_url_of_any_sort_opens_a_page(open_page, filled, page):
    texts = cycle(HOSTILE.values())
    app = open_page(page, **{name: next(texts) for name in (*PARAMETERS, "unknown")})
    assert not app.exception
    shown = [element.value for kind in (app.markdown, app.caption, app.error) for element in kind]
    assert not any("![x](" in str(value) for value in shown)


@pytest.mark.parametrize("text", ["9" * 20_000, "-1e999", "nan", "1.5", "x"])
def test_a_number_of_any_sort_in_the_url_opens_the_train_page(open_page, filled, text):
    app = open_page("train", train_epochs=text, train_seed=text, train_learning_rate=text)
    assert not app.exception


@pytest.mark.parametrize("page", ["overview", "browse", "train", "classify"])
def test_damaged_files_are_named_and_keep_no_page_from_opening(open_page, own_copy, page):
    home = own_copy.path
    for name, content in DAMAGED.items():
        for file in (f"cohorts/{name}/cohort", f"runs/{name}/run", f"imports/{name}/status"):
            (home / file).parent.mkdir(parents=True)
            (home / f"{file}.json").write_bytes(content)
    app = open_page(page)
    assert not app.exception
    if page == "overview":
        named = " ".join(warning.value for warning in app.warning)
        for name in DAMAGED:
            assert f"{name}/cohort.json is damaged: " in named
            assert f"{name}/run.json is damaged: " in named
        assert "examples" in str(app.dataframe[0].value)


def test_a_cohort_with_a_damaged_table_keeps_the_others(open_page, own_copy: Workspace):
    folder = own_copy.cohorts / "twin"
    shutil.copytree(own_copy.cohorts / "examples", folder)
    meta = json.loads((folder / "cohort.json").read_text())
    (folder / "cohort.json").write_text(json.dumps(meta | {"name": "twin"}))
    (folder / "columns.arrow").unlink(missing_ok=True)
    (folder / "shards" / meta["shards"][0] / "index.parquet").write_bytes(b"PAR1")
    app = open_page("overview")
    assert not app.exception
    assert set(app.dataframe[0].value["cohort"]) == {"examples", "twin"}
    assert "cannot be read" in app.warning[0].value
    app = open_page("browse", cohort="twin")
    assert not app.exception
    assert "cannot be read" in words(app)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a ![x](https://evil.example/x.png)", r"a !\[x\](https\://evil.example/x.png)"),
        ("<b>x</b>\n# head", r"\<b\>x\</b\> \# head"),
        (":red[x] $y$ *z* _w_ 00147_lr", r":red\[x\] \$y\$ \*z\* \_w\_ 00147_lr"),
    ],
)
def test_markdown_of_a_file_is_shown_as_text(text, shown):
    assert plain(text) == shown


def test_an_error_keeps_its_commands():
    assert message("No [x]. `ecgcore runs list` shows all.") == (
        r"No \[x\]. `ecgcore runs list` shows all."
    )


def test_a_csv_holds_no_formula_and_numbers_stay_numbers():
    table = pd.DataFrame({"=a": ["=1+1", "+x", "-2", "@x", "plain"], "n": [-1.5, 2, 3, 4, 5]})
    lines = csv_of(table).splitlines()
    assert lines == ["'=a,n", "'=1+1,-1.5", "'+x,2.0", "'-2,3.0", "'@x,4.0", "plain,5.0"]
