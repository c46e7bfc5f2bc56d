"""PNG pictures and class folders: there, back again, resumed, and foreign pictures refused."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from recordings import limb_consistent_uv, write_wfdb
from torchvision.datasets import ImageFolder

from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.store import Cohort
from ecgcore.errors import NotFound, RequestError, UnreadableRecord
from ecgcore.home import Home
from ecgcore.imaging import draw, geometry
from ecgcore.imaging.convert import convert, csv_text
from ecgcore.imaging.png import read_png, save_png
from ecgcore.records.reading import read_record

NSR, STACH, LBBB, LVH = "426783006", "427084000", "164909002", "164873001"


def picture(seed=0):
    """Return an image and its geometry."""
    torch.manual_seed(seed)
    return draw(0.5 * torch.randn(1, 12, 1000), 100, size=(96, 120))[0], geometry(
        "stacked", (96, 120)
    )


@pytest.fixture
def saved(tmp_path):
    """Return (image, file) of a picture that was saved."""
    image, measures = picture()
    save_png(image, tmp_path / "r1.png", measures, "r1", 100, "NSR", {"from": "test"})
    return image, tmp_path / "r1.png"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Return a cohort of five records, of which four have one class each."""
    folder = tmp_path_factory.mktemp("in")
    stated = {"A0001": NSR, "A0002": LBBB, "A0003": f"{LBBB},{STACH}", "A0004": STACH}
    for seed, (name, codes) in enumerate((stated | {"A0005": f"{LBBB},{LVH}"}).items()):
        signal_uv = limb_consistent_uv(1000, seed)
        signal_uv[7, 100:150] = -32768
        write_wfdb(folder, name, signal_uv, fs_hz=100, comments=(f"Dx: {codes}",))
    home = Home(tmp_path_factory.mktemp("home"))
    ingest(folder, "five", home, workers=1)
    return Cohort.open("five", home)


def names(folder):
    """Return the files below a folder, as text."""
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())


def test_a_picture_comes_back_but_for_8_bit_rounding(saved):
    image, file = saved
    back = read_png(file)
    assert back.image.shape == (3, 96, 120)
    assert (back.image - image).abs().max() <= 0.5 / 255 + 1e-6
    assert back.geometry == geometry("stacked", (96, 120))
    assert (back.record, back.class_code, back.fs_hz) == ("r1", "NSR", 100)
    assert back.more == {"from": "test"}


def test_a_picture_is_dark_on_white_and_says_what_it_is(saved):
    with Image.open(saved[1]) as png:
        assert png.mode == "RGB"
        assert png.getpixel((0, 0)) == (255, 255, 255)
        assert png.info["Disclaimer"] == "Research use only. Not a medical device."
        told = json.loads(png.info["ecgcore"])
    assert (told["record"], told["class"], told["layout"]) == ("r1", "NSR", "stacked")
    assert (told["fs_hz"], told["px_per_mv"], told["px_per_s"]) == (100, 96 / 28, 12)


def test_a_foreign_picture_is_refused_by_name(tmp_path):
    file = tmp_path / "scan.png"
    Image.new("RGB", (224, 224), "white").save(file)
    with pytest.raises(UnreadableRecord) as refused:
        read_png(file)
    assert str(refused.value) == (
        "scan.png is a picture that this program did not draw: voltages cannot be read off a "
        "picture of unknown scale. Give the recording itself."
    )


def test_a_changed_picture_is_refused(saved):
    with Image.open(saved[1]) as png:
        text, changed = png.info["ecgcore"], png.copy()
    info = PngInfo()
    info.add_text("ecgcore", text)
    changed.putpixel((3, 3), (0, 0, 0))
    changed.save(saved[1], pnginfo=info)
    with pytest.raises(UnreadableRecord, match=r"r1.png was changed after it was drawn; give"):
        read_png(saved[1])
    changed.resize((60, 48)).save(saved[1], pnginfo=info)
    with pytest.raises(UnreadableRecord, match="it is 60 × 48 px and says 120 × 96"):
        read_png(saved[1])


@pytest.mark.parametrize("content", [b"", b"not a picture", None])
def test_a_file_that_is_no_whole_png_is_refused(saved, content):
    file = saved[1]
    file.write_bytes(file.read_bytes()[:2000] if content is None else content)
    with pytest.raises(UnreadableRecord, match=r"r1\.png is not a whole PNG picture"):
        read_png(file)


def test_a_picture_with_unlikely_facts_is_taken_for_foreign(saved):
    with Image.open(saved[1]) as png:
        told, pixels = json.loads(png.info["ecgcore"]), png.copy()
    for wrong in ({"layout": "photo"}, {"height": "tall"}, {"record": 3}, {"sha256": None}):
        info = PngInfo()
        info.add_text("ecgcore", json.dumps(told | wrong))
        pixels.save(saved[1], pnginfo=info)
        with pytest.raises(UnreadableRecord, match="this program did not draw"):
            read_png(saved[1])


def test_a_cohort_becomes_class_folders_that_torchvision_reads(cohort, tmp_path):
    steps = []
    answer = convert(cohort, tmp_path, size=96, on_progress=lambda *now: steps.append(now))
    assert (answer["images"], answer["written"], answer["kept"]) == (4, 4, 0)
    assert {code: n for code, n in answer["classes"].items() if n} == {
        "NSR": 1, "STACH": 1, "LBBB": 2,
    }  # fmt: skip
    assert answer["left_out"] == {"conflict: LBBB and LVH": 1}
    assert steps == [(4, 4)]
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
    drawn = draw(torch.from_numpy(record.signal_mv)[None], 100, size=96)[0]
    back = read_png(tmp_path / "LBBB/A0002.png")
    assert (back.image - drawn).abs().max() <= 0.5 / 255 + 1e-6
    assert (back.record, back.class_code) == ("A0002", "LBBB")


def test_a_conversion_that_was_cut_off_goes_on(cohort, tmp_path):
    convert(cohort, tmp_path, size=96)
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in names(tmp_path)}
    (tmp_path / "NSR/A0001.png").unlink()
    damaged = tmp_path / "LBBB/A0003.csv"
    damaged.write_text(damaged.read_text()[:500])
    answer = convert(cohort, tmp_path, size=96)
    assert (answer["written"], answer["kept"]) == (2, 2)
    after = {name: (tmp_path / name).stat().st_mtime_ns for name in names(tmp_path)}
    kept = {name for name in before if before[name] == after[name]}
    assert kept == {f"{s}{x}" for s in ("LBBB/A0002", "STACH/A0004") for x in (".csv", ".png")}
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
