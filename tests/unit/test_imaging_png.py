"""PNG pictures for networks: there and back again; foreign and changed ones refused."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ecgcore.errors import UnreadableRecord
from ecgcore.imaging import draw, make_geometry
from ecgcore.imaging.png import read_png, save_png
from ecgcore.paper.draw import plot
from ecgcore.records import file_format
from ecgcore.records.discover import describe_files, find_records
from ecgcore.records.read import read_record
from ecgcore.records.record import Record


def picture(seed=0):
    """Return an image and its geometry."""
    torch.manual_seed(seed)
    return draw(0.5 * torch.randn(1, 12, 1000), 100, size=(96, 120))[0], make_geometry(
        "stacked", (96, 120)
    )


@pytest.fixture
def saved(tmp_path):
    """Return (image, file) of a picture that was saved."""
    image, geometry = picture()
    save_png(image, tmp_path / "r1.png", geometry, "r1", 100, "NSR", {"from": "test"})
    return image, tmp_path / "r1.png"


def test_a_picture_comes_back_but_for_8_bit_rounding(saved):
    image, file = saved
    restored = read_png(file)
    assert restored.image.shape == (3, 96, 120)
    assert np.abs(restored.image - image.numpy()).max() <= 0.5 / 255 + 1e-6
    assert restored.geometry == make_geometry("stacked", (96, 120))
    assert (restored.record, restored.class_code, restored.fs_hz) == ("r1", "NSR", 100)
    assert restored.extra == {"from": "test"}


def test_a_picture_is_dark_on_white_and_says_what_it_is(saved):
    with Image.open(saved[1]) as png:
        assert png.mode == "RGB"
        assert png.getpixel((0, 0)) == (255, 255, 255)
        assert png.info["Disclaimer"] == "Research use only. Not a medical device."
        metadata = json.loads(png.info["ecgcore"])
    assert (metadata["record"], metadata["class"], metadata["layout"]) == ("r1", "NSR", "stacked")
    assert (metadata["fs_hz"], metadata["px_per_mv"], metadata["px_per_s"]) == (100, 96 / 28, 12)


def test_a_foreign_picture_is_refused_by_name(tmp_path):
    file = tmp_path / "scan.png"
    Image.new("RGB", (224, 224), "white").save(file)
    with pytest.raises(UnreadableRecord) as refused:
        read_png(file)
    assert str(refused.value) == (
        "scan.png is a picture of an ECG that this program did not draw: voltages cannot be read "
        "off a picture of unknown scale. Give the recording itself."
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
    with pytest.raises(UnreadableRecord, match=r"r1\.png is not a complete PNG image"):
        read_png(file)


def test_a_picture_with_unlikely_facts_is_taken_for_foreign(saved):
    with Image.open(saved[1]) as png:
        metadata, pixels = json.loads(png.info["ecgcore"]), png.copy()
    for wrong in ({"layout": "photo"}, {"height": "tall"}, {"record": 3}, {"sha256": None}):
        info = PngInfo()
        info.add_text("ecgcore", json.dumps(metadata | wrong))
        pixels.save(saved[1], pnginfo=info)
        with pytest.raises(UnreadableRecord, match="this program did not draw"):
            read_png(saved[1])


def test_a_page_for_people_is_no_picture_for_networks(tmp_path):
    file = tmp_path / "page.png"
    plot(Record(np.zeros((12, 1000), np.float32), 100.0, "r1"), file)
    with pytest.raises(UnreadableRecord, match="an ECG page for people that 'ecgcore plot' drew"):
        read_png(file)
    with pytest.raises(UnreadableRecord, match="an ECG page for people that 'ecgcore plot' drew"):
        read_record(file)


def test_a_picture_is_told_from_foreign_ones_by_its_head_and_is_no_recording(saved, tmp_path):
    foreign = tmp_path / "scan.png"
    Image.new("RGB", (224, 224), "white").save(foreign)
    assert [file_format.detect_format(f) for f in (saved[1], foreign)] == ["own_picture", "picture"]
    with pytest.raises(UnreadableRecord, match="drew for networks; classify it, or give the"):
        read_record(saved[1])
    with pytest.raises(UnreadableRecord, match="picture of an ECG that this program did not draw"):
        read_record(foreign)


def test_a_picture_beside_the_recording_of_its_name_is_a_companion(saved, tmp_path):
    assert list(find_records([tmp_path])) == [saved[1]]
    record = tmp_path / "r1.csv"
    record.write_text("I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6\n" + 500 * (12 * "0.1,")[:-1] + "\n")
    assert dict(describe_files(tmp_path))[saved[1]] == "companion of r1.csv"
    assert list(find_records([saved[1]])) == [saved[1]]  # asked for by name


def test_content_that_is_not_on_disk_is_read_alike(saved):
    restored = read_png(tmp := saved[1].with_name("gone.png"), saved[1].read_bytes())
    assert not tmp.exists()
    assert np.array_equal(restored.image, read_png(saved[1]).image)
