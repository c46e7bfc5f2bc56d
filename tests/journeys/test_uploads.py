"""Browser test: each kind of file is classified as by the command, or refused in one line."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from serving import ROOT, serving

from ecgcore.cohort.store import Cohort
from ecgcore.imaging.convert import convert
from ecgcore.inference.classify import classify_paths
from ecgcore.inference.model import load_model
from ecgcore.records.read import read_record
from ecgcore.workspace import Workspace

sys.path.append(str(ROOT / "tests" / "support"))
from recordings import write_csv, write_wfdb
from vendor_binary_files import write_dicom, write_scp
from vendor_person import PERSON

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=120_000)

RECORD = ROOT / "tests" / "data" / "ptb-xl" / "records500" / "00000" / "00001_hr.hea"
RUNS = ("resnet1d_scaled", "alexnet_m_se_gap")  # one reads signals, the other images
CLASSIFY = "classify?" + "&".join(f"classify_runs={run}" for run in RUNS)
BARS = ".barlayer .bartext, .barlayer text"
MAX_MB = 200


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Return (address, workspace, folder) of a server with its temporary files in the folder."""
    folder = tmp_path_factory.mktemp("uploads")
    (folder / "tmp").mkdir()
    workspace = Workspace(folder / "home")  # without runs: the shipped pair classifies
    with serving(workspace.path, folder / "log", TMPDIR=str(folder / "tmp")) as address:
        yield address, workspace, folder


@pytest.fixture
def server(shared):
    """Return the server that all tests of this module share."""
    return shared[0], shared[1].path


@pytest.fixture(scope="module")
def networks(examples_home):
    return [load_model(run, examples_home) for run in RUNS]


@pytest.fixture(scope="module")
def files(examples_home, networks, tmp_path_factory):
    """Return one real ECG as every kind of file: kind → files to upload, the record itself first.

    The network image is of another record, one of the example cohort.
    """
    folder = tmp_path_factory.mktemp("files")
    record = read_record(RECORD)
    signal_uv = np.rint(record.signal_mv * 1000).astype(np.int16)
    header = write_wfdb(folder, "visit", signal_uv, suffix=".mat")
    convert(
        Cohort.open("examples", examples_home),
        folder / "png",
        run_input=networks[1].input,
        workers=1,
    )
    return {
        "wfdb": [header, folder / "visit.mat"],
        "csv": [write_csv(folder / "visit_500hz.csv", signal_uv.T / 1000)],
        "dicom": [write_dicom(folder / "visit.dcm", signal_uv)],
        "scp": [write_scp(folder / "visit.scp", signal_uv, interval_us=2000)],
        "png": [next((folder / "png").rglob("01500_lr.png"))],
    }


@pytest.mark.parametrize("kind", ["wfdb", "csv", "dicom", "scp", "png"])
def test_each_kind_of_file_is_classified_as_by_the_command(open_tab, files, networks, kind):
    tab = open_tab(CLASSIFY)
    put(tab, files[kind])
    image_or_both = networks[1:] if kind == "png" else networks
    answers = [next(classify_paths(files[kind][:1], n))["probabilities"] for n in image_or_both]
    expected = sorted(f"{p:.3f}" for by_class in answers for p in by_class.values())
    expect(tab.locator(BARS)).to_have_count(len(expected))
    expect(tab.get_by_text("Behind the trace: Grad-CAM")).to_be_visible()
    assert sorted(tab.locator(BARS).all_text_contents()) == expected
    page = tab.content()
    assert [v for v in (PERSON.family, PERSON.given, PERSON.number) if v in page] == []
    expect(tab.get_by_test_id("stException")).to_have_count(0)


def test_a_file_without_an_ecg_is_refused_in_a_line_and_leaves_nothing_behind(open_tab, shared):
    tab = open_tab("classify")
    refused = {
        "photo.png": (foreign_image(), "a picture of an ECG that this program did not draw"),
        "cut.dcm": (b"\0" * 128 + b"DICM" + b"\1\2", "cut"),
        "empty.csv": (b"", "empty.csv is empty"),
        "../../etc/passwd": (b"root:x:0:0:root", "passwd"),
    }
    for name, (content, reason) in refused.items():
        put(tab, {"name": name, "mimeType": "application/octet-stream", "buffer": content})
        error = tab.get_by_test_id("stAlert").filter(has_text=reason)
        expect(error).to_have_count(1)
        assert "\n" not in error.inner_text().strip()
        assert "Traceback" not in tab.content()
        tab.get_by_role("button", name=re.compile("Remove|Delete")).first.click()
        expect(error).to_have_count(0)
    assert tab.locator(BARS).count() == 0
    assert not list((shared[2] / "tmp").glob("ecgcore-upload-*"))
    assert "passwd" not in (shared[2] / "log").read_text()


def test_300_mb_are_refused_immediately(open_tab, tmp_path):
    large = tmp_path / "long.edf"
    with large.open("wb") as file:
        file.truncate(300 * 1024 * 1024)  # sparse
    tab = open_tab("classify")
    put(tab, large)
    expect(tab.get_by_text(f"File must be {MAX_MB}.0MB or smaller.")).to_be_visible(timeout=30_000)
    assert tab.locator(BARS).count() == 0


def test_a_path_as_a_name_and_too_many_bytes_are_refused_without_a_browser_too(shared):
    from visitor import Visitor

    address, workspace, folder = shared
    before = sorted(folder.rglob("*")) + sorted(workspace.path.rglob("*"))
    visitor = Visitor(address)
    visitor.open("classify")
    content = b"".join(b"%d," % i for i in range(12)) + b"\n"
    visitor.upload("classify_files", {"../../../etc/cron.d/x.csv": content})
    assert [e for e in visitor.errors() if "x.csv" in e or "Record x" in e]
    [url] = visitor.upload_urls(["large"])
    assert visitor.put(url, "large", b"\0" * (MAX_MB * 1024 * 1024 + 1)).status_code == 413
    visitor.leave()
    assert sorted(folder.rglob("*")) + sorted(workspace.path.rglob("*")) == before
    assert not Path("/etc/cron.d/x.csv").exists()


def test_several_files_become_a_table_and_a_csv(open_tab, files, shared, run):
    tab = open_tab(CLASSIFY)
    put(tab, [*files["csv"], *files["dicom"], *files["wfdb"]])
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download as CSV", exact=True).click()
    rows = Path(download.value.path()).read_text("utf-8").splitlines()
    assert len(rows) == 4
    assert "Research use only" in rows[1]
    command = ("classify", files["csv"][0], "--run", RUNS[0], "--json")
    code, out, err = run(*command, "--home", shared[1].path)
    assert code == 0, err
    assert f",{json.loads(out)['probabilities']['NSR']}" in rows[1]


def put(tab, files) -> None:
    tab.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(files)


def foreign_image() -> bytes:
    """Return a PNG drawn by another program."""
    from io import BytesIO

    from PIL import Image

    out = BytesIO()
    Image.new("RGB", (400, 300), "white").save(out, "PNG")
    return out.getvalue()
