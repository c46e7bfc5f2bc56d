"""The human page as files: PDF and PNG of its true size, quick to make and to open."""

import re
import zlib

import numpy as np
import pytest
from PIL import Image

from ecgcore.errors import RequestError
from ecgcore.paper.draw import make_page, page_bytes, plot
from ecgcore.paper.page import THEMES
from ecgcore.paper.render_mpl import as_png
from ecgcore.records.record import Record

GRID_LEFT_MM, TOP_MM = 2.5, 7.5  # without notes and measurements


@pytest.fixture
def pulse():
    """Return a flat record with a pulse of 1 mV from 1.0 to 1.5 s in II."""
    signal_mv = np.zeros((12, 5000), np.float32)
    signal_mv[1, 500:750] = 1.0
    return Record(signal_mv, 500.0, "r1")


def pixels(content, tmp_path):
    """Return a PNG's pixels (H, W, 3) and what it says of itself."""
    file = tmp_path / "page.png"
    file.write_bytes(content)
    with Image.open(file) as png:
        return np.asarray(png.convert("RGB")).astype(int), png.info


def streams(pdf):
    """Return a PDF's drawing commands as text."""
    packed = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    return "\n".join(_unpacked(part) for part in packed)


def _unpacked(part):
    try:
        return zlib.decompress(part).decode("latin-1")
    except zlib.error:
        return ""


def test_a_pdf_has_its_papers_size_vectors_only_and_asks_not_to_be_scaled(pulse):
    pdf = page_bytes(pulse, ".pdf")
    (box,) = re.findall(rb"/MediaBox \[ ?([^\]]+)\]", pdf)
    width_pt, height_pt = (float(side) for side in box.split()[2:])
    assert width_pt * 25.4 / 72 == pytest.approx(297, abs=0.01)
    assert height_pt * 25.4 / 72 == pytest.approx(210, abs=0.01)
    assert b"/PrintScaling /None" in pdf
    assert b"/Subtype /Image" not in pdf
    assert b"/CharProcs" in pdf  # the font's shapes travel along
    assert page_bytes(pulse, ".pdf") == pdf


def test_in_the_pdf_a_millivolt_is_10_mm_and_a_second_25_mm(pulse):
    commands = streams(page_bytes(pulse, ".pdf", paper_size="fit", rhythm_leads=()))
    commands = commands[commands.index("0.9921259843 w") :]  # lines of 0.35 mm: the traces
    points = np.array(re.findall(r"^(-?[\d.]+) (-?[\d.]+) [ml]$", commands, re.MULTILINE), float)
    x_mm, y_mm = (points * 25.4 / 72).T
    laid = make_page(pulse, rhythm_leads=())
    height_mm = laid.height_mm - y_mm  # a PDF counts upwards
    on_ii = laid.top_mm + 45.0
    left = laid.left_mm + 10
    raised = (np.abs(height_mm - (on_ii - 10)) < 0.01) & (x_mm > left)
    assert x_mm[raised].min() == pytest.approx(left + 25 * 1.0, abs=0.02)
    assert x_mm[raised].max() == pytest.approx(left + 25 * 1.498, abs=0.02)


def test_a_png_says_its_resolution_and_is_true_to_it(pulse, tmp_path):
    content = page_bytes(pulse, ".png")
    image, info = pixels(content, tmp_path)
    laid = make_page(pulse)
    assert image.shape[:2] == (round(8 * laid.height_mm), round(8 * laid.width_mm))
    assert info["dpi"] == pytest.approx((203.2, 203.2), abs=0.01)
    assert info["Disclaimer"] == "Research use only. Not a medical device."
    ink = image.sum(axis=2) < 200
    x_px = 8 * (laid.left_mm + 10 + 25 * 1.25)  # amid the pulse in II
    column = np.flatnonzero(ink[: round(8 * (laid.top_mm + 60)), round(x_px)]) / 8 - laid.top_mm
    assert column[(column > 30) & (column < 50)].mean() == pytest.approx(35, abs=0.2)
    baseline = np.flatnonzero(ink[: round(8 * (laid.top_mm + 60)), round(x_px + 8 * 10)]) / 8
    assert (baseline - laid.top_mm)[baseline - laid.top_mm > 30].mean() == pytest.approx(
        45, abs=0.2
    )


def test_the_png_has_its_grid_at_each_millimetre(pulse, tmp_path):
    image, _ = pixels(page_bytes(pulse, ".png"), tmp_path)
    laid = make_page(pulse)
    row = image[round(8 * (laid.top_mm + 2.5)), :, 1]  # crosses upright lines only
    left = round(8 * laid.left_mm)
    ground = int(THEMES["light"].background[3:5], 16)
    dark = np.flatnonzero(row[left + 4 : left + 8 * 50] < ground - 8) + 4
    lines = {round(x / 8) for x in dark}
    assert lines == set(range(1, 50)) or lines == set(range(1, 51))


def test_all_formats_show_the_same_words(pulse):
    noted = Record(pulse.signal_mv, 500.0, "r1", notes=("leads III, aVF derived $x^2$",))
    laid = make_page(noted)
    svg = page_bytes(noted, ".svg").decode()
    assert all(word.text in svg for word in (*laid.texts, *laid.lead_names))
    assert as_png(laid, 4) != as_png(make_page(pulse), 4)


def test_a_dark_page_is_dark_in_every_format(pulse, tmp_path):
    image, _ = pixels(page_bytes(pulse, ".png", theme="dark"), tmp_path)
    assert image.mean() < 60
    assert THEMES["dark"].background in page_bytes(pulse, ".svg", theme="dark").decode()


def test_a_minute_of_twelve_leads_at_1000_hz_stays_small(tmp_path):
    rng = np.random.default_rng(0)
    noisy = Record(rng.normal(0, 0.1, (12, 60_000)).astype(np.float32), 1000.0, "long")
    noisy.signal_mv[6, 31_313] = 2.0
    svg = page_bytes(noisy, ".svg", layout="12x1", duration_s=60)
    assert len(svg) < 2_500_000
    laid = make_page(noisy, "12x1", duration_s=60)
    assert sum(map(len, laid.traces)) <= 12 * 4 * 60 * 25 * 4 + 200
    v1 = [line for line in laid.traces if len(line) > 100][6]
    top = v1[v1[:, 1].argmin()]
    assert top[0] == pytest.approx(100 * (10 + 25 * 31.313), abs=1)


def test_a_file_is_written_by_its_suffix_and_other_suffixes_are_refused(pulse, tmp_path):
    for suffix, start in ((".svg", b"<svg"), (".png", b"\x89PNG"), (".PDF", b"%PDF")):
        plot(pulse, tmp_path / f"ecg{suffix}")
        assert (tmp_path / f"ecg{suffix}").read_bytes().startswith(start)
    with pytest.raises(RequestError, match=r"written as \.svg, \.png, \.pdf, not as '\.jpg'"):
        plot(pulse, tmp_path / "ecg.jpg")
    assert len(list(tmp_path.iterdir())) == 3
