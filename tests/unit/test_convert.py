"""Class folders: written in parallel, resumed after a kill, and good to train on."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from recordings import limb_consistent_uv, write_wfdb
from torch import nn
from torchvision.datasets import ImageFolder
from torchvision.transforms.functional import pil_to_tensor

from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.store import Cohort
from ecgcore.errors import NotFound, RequestError
from ecgcore.imaging import draw
from ecgcore.imaging.convert import convert, csv_text
from ecgcore.imaging.png import read_png
from ecgcore.records.read import read_record
from ecgcore.records.resample import resample_signal
from ecgcore.workspace import Workspace

NSR, STACH, LBBB, LVH = "426783006", "427084000", "164909002", "164873001"


def made(folder, workspace, stated, fs_hz=100):
    """Return a cohort of records (name → codes), ten seconds each, whose classes look different."""
    for seed, (name, codes) in enumerate(stated.items()):
        signal_uv = limb_consistent_uv(10 * fs_hz, seed)
        signal_uv[7, 100:150] = -32768
        if codes == LBBB:
            signal_uv[8:, np.random.default_rng(seed).choice(10 * fs_hz, 25)] = 3000
        write_wfdb(folder, name, signal_uv, fs_hz=fs_hz, comments=(f"Dx: {codes}",))
    ingest(folder, "made", workspace, workers=1)
    return Cohort.open("made", workspace)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Return a cohort of five records, of which four have one class each."""
    stated = {"A0001": NSR, "A0002": LBBB, "A0003": f"{LBBB},{STACH}", "A0004": STACH}
    workspace = Workspace(tmp_path_factory.mktemp("home"))
    return made(tmp_path_factory.mktemp("in"), workspace, stated | {"A0005": f"{LBBB},{LVH}"})


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Return a cohort of 100 records, half of them LBBB."""
    stated = {f"A{i:04d}": (NSR, LBBB)[i % 2] for i in range(1, 101)}
    workspace = Workspace(tmp_path_factory.mktemp("home"))
    return made(tmp_path_factory.mktemp("in"), workspace, stated)


def names(folder):
    """Return the files below a folder, as text."""
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())


def test_a_cohort_becomes_class_folders_that_torchvision_reads(cohort, tmp_path):
    steps = []
    answer = convert(cohort, tmp_path, size=96, on_progress=lambda *now: steps.append(now))
    assert (answer["images"], answer["written"], answer["kept"]) == (4, 4, 0)
    assert {code: n for code, n in answer["classes"].items() if n} == {
        "NSR": 1, "STACH": 1, "LBBB": 2,
    }  # fmt: skip
    assert answer["left_out"] == {"conflict: LBBB and LVH": 1}
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert names(tmp_path) == [
        f"{stem}{suffix}"
        for stem in ("LBBB/A0002", "LBBB/A0003", "NSR/A0001", "STACH/A0004")
        for suffix in (".csv", ".png")
    ]
    images = ImageFolder(tmp_path)
    assert images.classes == ["LBBB", "NSR", "STACH"]
    assert [label for _, label in images.samples] == [0, 0, 1, 2]


def test_the_csv_is_read_back_exactly_and_gives_the_png(cohort, tmp_path):
    convert(cohort, tmp_path, size=96)
    record = read_record(tmp_path / "LBBB/A0002.csv")
    stored = cohort.record("A0002")
    assert record.fs_hz == 100
    assert record.notes == ()
    np.testing.assert_array_equal(record.signal_mv, stored.signal_mv)
    image = draw(torch.from_numpy(record.signal_mv)[None], 100, size=96)[0]
    restored = read_png(tmp_path / "LBBB/A0002.png")
    assert np.abs(restored.image - image.numpy()).max() <= 0.5 / 255 + 1e-6
    assert (restored.record, restored.class_code) == ("A0002", "LBBB")


def test_a_conversion_that_was_cut_off_goes_on(cohort, tmp_path):
    convert(cohort, tmp_path, size=96)
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in names(tmp_path)}
    (tmp_path / "NSR/A0001.png").unlink()
    damaged = tmp_path / "LBBB/A0003.csv"
    damaged.write_text(damaged.read_text()[:500])
    answer = convert(cohort, tmp_path, size=96)
    assert (answer["written"], answer["kept"]) == (2, 2)
    after = {name: (tmp_path / name).stat().st_mtime_ns for name in names(tmp_path)}
    unchanged = {name for name in before if before[name] == after[name]}
    assert unchanged == {f"{s}{x}" for s in ("LBBB/A0002", "STACH/A0004") for x in (".csv", ".png")}
    assert convert(cohort, tmp_path, size=64)["written"] == 4


def test_a_record_leaves_the_folder_of_a_class_that_is_no_longer_its_own(cohort, tmp_path):
    convert(cohort, tmp_path, mode="priority", size=96)
    assert (tmp_path / "LBBB/A0005.png").exists()
    (tmp_path / "LBBB/mine.png").write_bytes(b"not of this cohort")
    convert(cohort, tmp_path, mode="exclusive", size=96)
    assert not (tmp_path / "LBBB/A0005.png").exists()
    assert not (tmp_path / "LBBB/A0005.csv").exists()
    assert (tmp_path / "LBBB/mine.png").exists()


def test_missing_samples_are_empty_cells():
    signal_mv = np.zeros((12, 2), np.float32)
    signal_mv[3, 1] = np.nan
    last = csv_text(signal_mv, 500, "r").splitlines()[-1]
    assert last.split(",")[3] == ""
    assert last.count("0.000") == 11


def test_conversions_that_cannot_be_are_refused(cohort, tmp_path):
    with pytest.raises(RequestError, match="'multilabel' gives several: take exclusive or"):
        convert(cohort, tmp_path, mode="multilabel")
    with pytest.raises(NotFound, match="Did you mean 'priority'"):
        convert(cohort, tmp_path, mode="prority")
    with pytest.raises(NotFound, match="no layout 'page'"):
        convert(cohort, tmp_path, layout="page")
    assert names(tmp_path) == []


def test_the_rate_and_form_of_a_run_are_drawn_when_asked(tmp_path):
    cohort = made(
        tmp_path / "in", Workspace(tmp_path / "home"), {"A0001": NSR, "A0002": LBBB}, fs_hz=500
    )
    run_input = {"layout": "stacked", "size": [64, 96], "fs_hz": 100, "duration_s": 10.0, "pen": 1}
    convert(cohort, tmp_path / "out", run_input=run_input)
    restored = read_png(tmp_path / "out/LBBB/A0002.png")
    assert (restored.fs_hz, restored.geometry.stroke_version) == (100, 1)
    stored = cohort.record("A0002")
    at_100_hz = torch.from_numpy(resample_signal(stored.signal_mv, 500, 100))[None]
    image = draw(at_100_hz, 100, size=(64, 96), stroke_version=1)[0]
    assert np.abs(restored.image - image.numpy()).max() <= 0.5 / 255 + 1e-6
    assert read_record(tmp_path / "out/LBBB/A0002.csv").fs_hz == 500
    assert convert(cohort, tmp_path / "out", size=(64, 96))["written"] == 2


def test_processes_write_what_one_writes(many, tmp_path):
    steps = []
    answer = convert(
        many, tmp_path / "two", size=64, workers=2, on_progress=lambda *now: steps.append(now)
    )
    assert (answer["images"], answer["written"]) == (100, 100)
    assert steps[-1] == (100, 100)
    assert steps == sorted(steps)
    convert(many, tmp_path / "one", size=64, workers=1)
    assert names(tmp_path / "two") == names(tmp_path / "one")
    for name in names(tmp_path / "one"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def test_a_conversion_killed_in_the_middle_goes_on_and_leaves_nothing_half_done(many, tmp_path):
    out, workspace = tmp_path / "out", many.folder.parents[1]
    command = [
        *(sys.executable, "-m", "ecgcore", "convert", "--cohort", "made", "--to", str(out)),
        *("--size", "64", "--workers", "2", "--home", str(workspace)),
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    until = time.monotonic() + 600
    while len(list(out.rglob("[!.]*.png"))) < 5 and time.monotonic() < until:
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    complete = [name for name in names(out) if name.endswith(".png") and "/." not in name]
    assert 5 <= len(complete) < 100
    for name in complete:
        read_png(out / name)  # whole, or not there
    (out / "LBBB" / ".A0001.png.0123abcd.77").write_bytes(b"half")
    os.utime(out / "LBBB" / ".A0001.png.0123abcd.77", (1, 1))
    before = {name: (out / name).stat().st_mtime_ns for name in complete}
    answer = convert(many, out, size=64)
    assert answer["images"] == 100
    assert answer["kept"] >= len(complete) - 2  # a PNG whose own CSV was not yet followed by it
    assert sum(before[n] == (out / n).stat().st_mtime_ns for n in complete) == len(complete)
    assert len(names(out)) == 200
    assert not [name for name in names(out) if "/." in name]


def test_a_small_network_learns_from_the_folders(many, tmp_path):
    convert(many, tmp_path, size=48)
    images = ImageFolder(tmp_path, transform=lambda picture: 1 - pil_to_tensor(picture) / 255)
    assert len(images) == 100
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 5, stride=2), nn.ReLU(), nn.AdaptiveMaxPool2d(4), nn.Flatten(),
        nn.Linear(64, 2),
    )  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    batches = torch.utils.data.DataLoader(images, batch_size=10, shuffle=True)
    whole = next(iter(torch.utils.data.DataLoader(images, batch_size=100)))

    def loss(pictures, labels):
        return nn.functional.cross_entropy(network(pictures), labels)

    with torch.no_grad():
        before = float(loss(*whole))
    for pictures, labels in batches:
        optimizer.zero_grad()
        loss(pictures, labels).backward()
        optimizer.step()
    with torch.no_grad():
        after = float(loss(*whole))
    assert after < 0.7 * before
