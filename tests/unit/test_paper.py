"""The human page: true to the millimetre, nothing hidden, everything told."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from ecgcore.errors import NotFound, RequestError
from ecgcore.paper.draw import THEMES, page_svg
from ecgcore.paper.render_svg import path_data
from ecgcore.paper.strokes import thin, trace_lines
from ecgcore.records.record import LEADS, Record

SVG = "{http://www.w3.org/2000/svg}"
LEFT_MM = 10.0


def record(fs_hz=500, duration_s=10.0, **more):
    """Return a flat record with a pulse of 1 mV from 1.0 to 1.5 s in II."""
    signal_mv = np.zeros((12, round(fs_hz * duration_s)), np.float32)
    signal_mv[1, round(fs_hz) : round(1.5 * fs_hz)] = 1.0
    return Record(signal_mv, float(fs_hz), "r1", **more)


def parts(svg):
    """Return the page parsed, and the grid's own drawing."""
    page = ElementTree.fromstring(svg)
    return page, page.find(f"{SVG}svg")


def texts(svg):
    """Return all lines of text."""
    return [t.text for t in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def strokes(svg):
    """Return every unbroken line of the traces as points (n, 2) in mm, in the order drawn."""
    _, grid = parts(svg)
    path = next(g for g in grid if "scale" in g.get("transform", "")).find(f"{SVG}path").get("d")
    lines = []
    for stroke in re.findall(r"M[^M]+", path):
        start, steps = stroke[1:].split("l")
        first = np.array(re.findall(r"-?\d+", start), float)
        moved = np.array(re.findall(r"-?\d+", steps), float).reshape(-1, 2)
        lines.append(np.vstack([first, first + moved.cumsum(axis=0)]) / 100)
    return [line for line in lines if line[:, 0].min() >= LEFT_MM]


def rhythm_strip(svg):
    """Return the longest line: II over the whole page."""
    return max(strokes(svg), key=lambda line: np.ptp(line[:, 0]))


@pytest.mark.parametrize("speed_mm_s", [12.5, 25, 50])
@pytest.mark.parametrize("gain_mm_mv", [5, 10, 20])
def test_a_pulse_of_1_mv_and_half_a_second_is_true_to_the_millimetre(speed_mm_s, gain_mm_mv):
    svg = page_svg(record(), speed_mm_s=speed_mm_s, gain_mm_mv=gain_mm_mv)
    x_mm, y_mm = rhythm_strip(svg).T
    raised = y_mm < y_mm[0] - 1e-6
    assert y_mm[0] - y_mm.min() == pytest.approx(gain_mm_mv)
    assert x_mm[raised].min() == pytest.approx(LEFT_MM + 1.0 * speed_mm_s, abs=0.006)
    assert x_mm[raised].max() == pytest.approx(LEFT_MM + 1.498 * speed_mm_s, abs=0.006)
    assert y_mm[0] == round(y_mm[0])  # 0 mV stands on a millimetre line


@pytest.mark.parametrize(("gain_mm_mv", "rise"), [(5, 500), (10, 1000), (20, 2000)])
def test_the_calibration_pulse_is_1_mv_high_and_5_mm_wide(gain_mm_mv, rise):
    _, grid = parts(page_svg(record(), gain_mm_mv=gain_mm_mv))
    path = next(g for g in grid if "scale" in g.get("transform", "")).find(f"{SVG}path").get("d")
    assert path.count(f"l100 0 0-{rise} 500 0 0 {rise} 100 0") == 4  # one a row


def test_a_10_s_page_fits_1120_px_at_whole_pixels_a_millimetre():
    page, _ = parts(page_svg(record()))
    width_mm, height_mm = (float(v) for v in page.get("viewBox").split()[2:])
    assert float(page.get("width")) == 1080
    assert float(page.get("width")) / width_mm == 4
    assert float(page.get("height")) / height_mm == 4


def test_leads_follow_one_another_every_two_and_a_half_seconds():
    ramp = np.tile(np.arange(5000, dtype=np.float32) / 5000, (12, 1))
    ramp += np.arange(12, dtype=np.float32)[:, None] / 100
    lines = strokes(page_svg(Record(ramp, 500, "ramp")))
    assert len(lines) == 13
    grid = [("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6")]
    for line, (row, column, lead) in zip(
        lines,
        [(r, c, lead) for r, leads in enumerate(grid) for c, lead in enumerate(leads)],
        strict=False,
    ):
        left_mm = LEFT_MM + 62.5 * column
        assert line[0, 0] == pytest.approx(left_mm)
        assert line[-1, 0] == pytest.approx(left_mm + 62.5, abs=0.051)  # the last sample
        start_mv = 0.25 * column + LEADS.index(lead) / 100
        assert (30 * row + 15 - line[0, 1]) % 5 == pytest.approx(10 * start_mv % 5, abs=0.02)


def test_all_leads_are_named_and_twelve_rows_have_one_each():
    assert [t for t in texts(page_svg(record())) if t in LEADS] == [
        "I",
        "aVR",
        "V1",
        "V4",
        "II",
        "aVL",
        "V2",
        "V5",
        "III",
        "aVF",
        "V3",
        "V6",
        "II",
    ]
    assert [t for t in texts(page_svg(record(), "12x1")) if t in LEADS] == list(LEADS)


def test_missing_samples_leave_gaps_and_a_missing_lead_is_told():
    holed = record()
    holed.signal_mv[1, 2000:2500] = np.nan
    holed.signal_mv[6] = np.nan
    svg = page_svg(holed)
    on_row_four = [s for s in strokes(svg) if s[0, 1] == rhythm_strip(svg)[0, 1]]
    assert len(on_row_four) == 2
    assert on_row_four[0][-1, 0] == pytest.approx(LEFT_MM + 25 * 3.998, abs=0.01)
    assert on_row_four[1][0, 0] == pytest.approx(LEFT_MM + 25 * 5.0, abs=0.01)
    assert "V1 not recorded" in texts(svg)
    assert "Not recorded: V1." in svg


def test_the_page_tells_scale_rate_stretch_notes_and_purpose():
    svg = page_svg(
        record(duration_s=30, age_years=63.0, sex="female", notes=("leads III, aVF derived",))
    )
    lines_of_text = texts(svg)
    assert lines_of_text[0] == "Record r1 · 63 years · female"
    assert "leads III, aVF derived" in lines_of_text
    assert lines_of_text[-1] == (
        "25 mm/s · 10 mm/mV · 500 Hz · no filter applied · 0 to 10 s of 30 s · "
        "Research use only. Not a medical device."
    )
    page, _ = parts(svg)
    assert page.get("role") == "img"
    assert page.find(f"{SVG}title").text == lines_of_text[0]
    assert "Twelve-lead electrocardiogram" in page.find(f"{SVG}desc").text


def test_ages_above_89_are_not_told_exactly():
    assert texts(page_svg(record(age_years=93.0)))[0] == "Record r1 · 90 years or older"


def test_names_from_outside_cannot_break_out_of_the_page():
    evil = replace(record(), name="<script>alert(1)</script>", notes=("</svg><b onload='x'>",))
    svg = page_svg(evil)
    page, _ = parts(svg)
    assert not list(page.iter(f"{SVG}script"))
    assert not list(page.iter(f"{SVG}b"))
    assert "Record <script>alert(1)</script>" in texts(svg)[0]


def test_paper_grows_for_high_voltages_and_tells_what_leaves_it():
    high = record()
    high.signal_mv[0, 300] = 4.0  # I, in the top row
    page, _ = parts(page_svg(high))
    flat, _ = parts(page_svg(record()))
    grown_mm = (float(page.get("height")) - float(flat.get("height"))) / 4
    assert grown_mm == 30  # 40 mm and a margin, of which 15 mm were there
    assert min(line[:, 1].min() for line in strokes(page_svg(high))) >= 0
    high.signal_mv[0, 300] = 9.0
    assert "Out of range, leaves the paper: I (0.0 to 9.0 mV)" in texts(page_svg(high))


def test_relevance_lies_behind_the_traces_and_is_transparent_at_zero():
    relevance = np.zeros((12, 100))
    relevance[LEADS.index("V1"), 60:62] = 0.5  # 6.0 to 6.2 s: on paper V1 runs from 5 to 7.5 s
    relevance[LEADS.index("V4"), 60:62] = 1.0  # V4 is not shown at that time
    _, grid = parts(page_svg(record(), relevance=relevance))
    (band,) = grid.iter(f"{SVG}rect")
    assert float(band.get("x")) == pytest.approx(LEFT_MM + 150)
    assert float(band.get("width")) == pytest.approx(5)
    assert 0 < float(band.get("fill-opacity")) <= 0.6
    order = [child.tag for child in grid.iter()]
    assert order.index(f"{SVG}rect") < len(order) - 1 - order[::-1].index(f"{SVG}path")
    assert page_svg(record(), relevance=0 * relevance).count("<rect") == 1  # only the ground


def test_stronger_relevance_is_darker_and_larger_numbers_are_scaled_to_one():
    relevance = np.tile(np.linspace(0, 1, 100), (12, 1))
    svg = page_svg(record(), "12x1", relevance=relevance)
    reds = [int(r, 16) for r in re.findall(r'fill="#(..)....\" fill-opacity', svg)]
    first_row = reds[: len(reds) // 12]
    assert first_row == sorted(first_row, reverse=True)
    assert page_svg(record(), "12x1", relevance=7 * relevance) == svg


@pytest.mark.parametrize("theme", THEMES)
def test_text_and_trace_can_be_read_on_the_paper(theme):
    colours = THEMES[theme]
    assert contrast(colours.text, colours.background) >= 4.5
    assert contrast(colours.trace, colours.background) >= 10
    assert colours.background in page_svg(record(), theme=theme)


def contrast(one, other):
    """Return the contrast of two colours after WCAG 2.1, 1.4.3."""

    def luminance(colour):
        shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_a_long_record_at_1000_hz_stays_small_and_keeps_its_peaks():
    rng = np.random.default_rng(0)
    noisy = Record(rng.normal(0, 0.05, (12, 60_000)).astype(np.float32), 1000, "long")
    noisy.signal_mv[1, 7_777] = 2.0
    svg = page_svg(noisy)
    assert len(svg) < 150_000
    line = rhythm_strip(svg)
    assert np.ptp(line[:, 1]) == pytest.approx(10 * np.ptp(noisy.signal_mv[1, :10_001]), abs=0.02)
    assert line[line[:, 1].argmin(), 0] == pytest.approx(LEFT_MM + 25 * 7.777, abs=0.01)


def test_thinning_keeps_first_lowest_highest_and_last_of_each_step():
    times_s = np.arange(1000) / 1000
    signal_mv = np.sin(times_s * 40) + np.random.default_rng(0).normal(0, 0.1, 1000)
    kept_s, kept_mv = thin(times_s, signal_mv, 0.01)
    assert len(kept_s) <= 400
    assert (np.diff(kept_s) > 0).all()
    for block in range(100):
        inside = (kept_s >= block / 100) & (kept_s < (block + 1) / 100 - 1e-9)
        part = signal_mv[10 * block : 10 * block + 10]
        assert kept_mv[inside].min() == part.min()
        assert kept_mv[inside].max() == part.max()
        assert (kept_mv[inside][0], kept_mv[inside][-1]) == (part[0], part[-1])


def test_a_lone_sample_is_a_dot_and_nothing_at_all_is_no_line():
    times_s = np.arange(3) / 100
    alone = np.array([np.nan, 0.5, np.nan])
    (dot,) = trace_lines(alone, times_s, 25, 10, 10, 20)
    assert dot.tolist() == [[1025, 1500]]
    assert path_data(dot) == "M1025 1500l0 0"
    assert trace_lines(np.full(3, np.nan), times_s, 25, 10, 10, 20) == []


def test_pages_that_cannot_be_are_refused():
    with pytest.raises(NotFound, match="no page layout '4x3'"):
        page_svg(record(), "4x3")
    with pytest.raises(NotFound, match="Did you mean 'dark'"):
        page_svg(record(), theme="darc")
    with pytest.raises(RequestError, match=r"30 mm/s is not on ECG paper; take 12.5, 25, 50 mm/s"):
        page_svg(record(), speed_mm_s=30)
    with pytest.raises(RequestError, match=r"Gain 15 mm/mV .* take 5, 10, 20 mm/mV"):
        page_svg(record(), gain_mm_mv=15)
    with pytest.raises(RequestError, match=r"shape \(12, n\), not \(11, 4\)"):
        page_svg(record(), relevance=np.zeros((11, 4)))
    with pytest.raises(RequestError, match="lasts 10 s; it cannot be shown from 12 s on"):
        page_svg(record(), start_s=12)
