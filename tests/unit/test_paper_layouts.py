"""The human page's layouts and papers: lead order, polarity, rhythm leads, filters, what fits."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from ecgcore.errors import NotFound, RequestError
from ecgcore.paper.display_filter import apply_filter
from ecgcore.paper.draw import PAPER_SIZES_MM, make_page, page_svg
from ecgcore.paper.layout import make_page_layout
from ecgcore.paper.text import footer_lines
from ecgcore.records.record import LEADS, Record

LEFT_MM = 10.0


def marked(lead, fs_hz=500.0, duration_s=10.0):
    """Return a flat record with a rise of 1 mV over the whole of one lead."""
    signal_mv = np.zeros((12, round(fs_hz * duration_s)), np.float32)
    signal_mv[LEADS.index(lead)] = 1.0
    return Record(signal_mv, fs_hz, "r1")


def names(shown):
    """Return the names on a page's grid, by row from the top and then from the left."""
    zeros = zero_lines(shown)
    rows = [[] for _ in zeros]
    for name in sorted(shown.lead_names, key=lambda n: n.x_mm):
        below = [row for row, y in enumerate(zeros) if y >= 100 * name.y_mm]
        rows[below[0]].append(name.text)
    return rows


def zero_lines(shown):
    """Return the y of 0 mV of each row, in 0.01 mm: where the calibration pulses begin."""
    return sorted({line[0, 1] for line in shown.traces if line[0, 0] == 150})


def raised(shown, rise_mm=10):
    """Return (row, left in mm) of each trace that begins so far above its zero line."""
    grid = [line for line in shown.traces if line[0, 0] >= 100 * LEFT_MM]
    zeros = zero_lines(shown)
    starts = [(line[0, 1] + 100 * rise_mm, line[0, 0] / 100) for line in grid]
    return [(zeros.index(y), x) for y, x in starts if y in zeros]


def test_6x2_has_limb_leads_on_the_left_and_chest_leads_on_the_right():
    shown = make_page(marked("V1"), "6x2")
    assert names(shown) == [list(pair) for pair in zip(LEADS[:6], LEADS[6:], strict=True)]
    assert raised(shown) == [(0, LEFT_MM + 125)]


def test_cabrera_runs_from_avl_to_iii_in_each_layout():
    first = ["aVL", "I", "−aVR", "II", "aVF", "III"]
    chest = list(LEADS[6:])
    assert names(make_page(marked("I"), "12x1", lead_order="cabrera")) == [
        [x] for x in first + chest
    ]
    assert names(make_page(marked("I"), "6x2", lead_order="cabrera")) == [
        list(pair) for pair in zip(first, chest, strict=True)
    ]
    assert names(make_page(marked("I"), "3x4", lead_order="cabrera")) == [
        ["aVL", "II", "V1", "V4"],
        ["I", "aVF", "V2", "V5"],
        ["−aVR", "III", "V3", "V6"],
        ["II"],
    ]


def test_each_lead_stands_where_its_name_stands_and_only_minus_avr_is_upside_down():
    for lead in LEADS:
        rise_mm = -5 if lead == "aVR" else 5
        shown = make_page(marked(lead), "6x2", lead_order="cabrera", gain_mm_mv=5)
        ((row, left_mm),) = raised(shown, rise_mm)
        printed_name = names(shown)[row][0 if left_mm == LEFT_MM else 1]
        assert printed_name == ("−aVR" if lead == "aVR" else lead)
        assert raised(shown, -rise_mm) == []
    assert raised(make_page(marked("aVR"), "12x1", gain_mm_mv=5), 5) == [(3, LEFT_MM)]


def test_rhythm_leads_are_chosen_and_shown_at_full_length():
    shown = make_page(marked("V5"), "3x4", rhythm_leads=("V1", "V5"))
    assert names(shown)[3:] == [["V1"], ["V5"]]
    assert raised(shown) == [(1, LEFT_MM + 187.5), (4, LEFT_MM)]
    strip = [line for line in shown.traces if line[0, 1] == line[:, 1].max() == line[-1, 1]]
    assert max(np.ptp(line[:, 0]) for line in strip) == pytest.approx(25_000, abs=6)
    assert names(make_page(marked("V5"), "3x4", rhythm_leads=())) == names(shown)[:3]
    assert names(make_page(marked("V5"), "6x2", rhythm_leads=("II",)))[6:] == [["II"]]


@pytest.mark.parametrize("paper", PAPER_SIZES_MM)
@pytest.mark.parametrize("layout", ["3x4", "6x2", "12x1"])
def test_a_printed_page_has_the_size_of_its_paper_and_keeps_its_scale(layout, paper):
    shown = make_page(marked("II"), layout, paper_size=paper)
    assert (shown.width_mm, shown.height_mm) == PAPER_SIZES_MM[paper]
    assert 5 <= shown.left_mm
    assert shown.left_mm + shown.grid_width_mm <= shown.width_mm - 5
    assert 5 <= shown.top_mm
    assert max(word.y_mm for word in shown.texts) <= shown.height_mm - 5
    assert {line[0, 1] % 100 for line in shown.traces} == {0}  # zero lines on millimetre lines
    svg = ElementTree.fromstring(page_svg(marked("II"), layout, paper_size=paper, px_per_mm=None))
    assert svg.get("width") == f"{shown.width_mm:g}mm"
    assert svg.get("height") == f"{shown.height_mm:g}mm"
    assert svg.get("viewBox") == f"0 0 {shown.width_mm:g} {shown.height_mm:g}"
    pulse = next(line for line in shown.traces if line[0, 0] == 150)
    assert np.ptp(pulse, axis=0).tolist() == [700, 1000]


def test_what_does_not_fit_a_paper_is_refused_with_what_helps():
    with pytest.raises(RequestError) as refused:
        make_page(marked("II", duration_s=30), duration_s=20, paper_size="a4")
    assert str(refused.value) == (
        "This ECG needs 515 × 134 mm; a4 in landscape holds 287 × 200 mm. Show fewer seconds, "
        "take a lower gain or speed, or the paper size 'fit'."
    )


def test_a_name_evades_the_traces():
    busy = marked("V1")
    busy.signal_mv[1, :100] = np.linspace(0.5, 1.2, 100)  # II where its name would stand
    usual = {n.text: n for n in make_page(marked("V1")).lead_names}["II"]
    shown = make_page(busy, rhythm_leads=())
    moved = {n.text: n for n in shown.lead_names}["II"]
    assert (moved.x_mm, moved.y_mm) != (usual.x_mm, usual.y_mm)
    assert names(shown) == names(make_page(marked("V1"), rhythm_leads=()))
    line = np.concatenate([line for line in shown.traces if len(line) > 7]) / 100
    near = (np.abs(line[:, 0] - moved.x_mm - 2) < 2) & (np.abs(line[:, 1] - moved.y_mm + 1.3) < 1.3)
    assert not near.any()


def test_a_display_filter_is_applied_to_the_traces_and_said():
    times_s = np.arange(5000) / 500
    noisy = Record(np.tile(np.sin(2 * np.pi * 60 * times_s), (12, 1)).astype(np.float32), 500, "r")
    peaks_mv = {
        name: np.abs(apply_filter(noisy, name).signal_mv[:, 1000:4000]).max()
        for name in ("none", "0.05-150", "0.05-40")
    }
    assert peaks_mv["none"] == pytest.approx(1, abs=0.01)
    assert peaks_mv["0.05-150"] > 0.95
    assert peaks_mv["0.05-40"] < 0.2
    layout = make_page_layout(noisy, "3x4", 25.0, 10.0, 0.0, None)
    assert "no filter applied" in footer_lines(noisy, layout, "none")[0].text
    assert "display filter from 0.05 Hz to 40 Hz (R waves and notches look smaller)" in (
        " ".join(line.text for line in footer_lines(noisy, layout, "0.05-40"))
    )
    slow = Record(noisy.signal_mv, 100, "slow")
    footer = " ".join(line.text for line in footer_lines(slow, layout, "0.05-150"))
    assert "display filter from 0.05 Hz ·" in footer


def test_a_window_of_a_long_recording_tells_the_recordings_time():
    shown = make_page(marked("II"), recording_offset_s=1800.0)
    assert any("· 1800 to 1810 s ·" in word.text for word in shown.texts)
    assert any("· 0 to 10 s ·" in word.text for word in make_page(marked("II")).texts)
    assert any(
        "· 0 to 10 s of 30 s ·" in w.text for w in make_page(marked("II", duration_s=30)).texts
    )


def test_a_filter_keeps_gaps_where_they_are():
    holed = marked("II")
    holed.signal_mv[1, 100:200] = np.nan
    assert np.array_equal(
        np.isnan(apply_filter(holed, "0.5-40").signal_mv), np.isnan(holed.signal_mv)
    )


def test_measurements_stand_beside_the_devices_own_as_unconfirmed():
    shown = marked("II")
    shown.machine.update(rate_bpm=73.4, qtc_ms=409, axis_deg=-28)
    measured = {"rate_bpm": 72.2, "qrs_ms": 96.0, "axis_deg": -30.0, "pr_ms": None}
    lines = [t for t in texts(page_svg(shown, measurements=measured)) if "unconfirmed" in t]
    assert [re.sub(r"\s+", " ", line) for line in lines] == [
        "Automatic, unconfirmed: Rate 72/min PR n/a QRS 96 ms QT n/a QTc Bazett n/a "
        "QTc Frid. n/a Axis −30°",
        "Device's own, unconfirmed: Rate 73/min PR n/a QRS n/a QT n/a QTc 409 ms Axis −28°",
    ]
    assert not any("unconfirmed" in text for text in texts(page_svg(marked("II"))))


def texts(svg):
    """Return all lines of text."""
    return ["".join(t.itertext()) for t in ElementTree.fromstring(svg).iter(f"{SVG}text")]


SVG = "{http://www.w3.org/2000/svg}"


def test_other_choices_that_cannot_be_are_refused():
    flat = marked("II")
    with pytest.raises(NotFound, match=r"no lead order 'cabera'\. Did you mean 'cabrera'"):
        make_page(flat, lead_order="cabera")
    with pytest.raises(NotFound, match=r"no lead 'v1'\. Did you mean 'V1'"):
        make_page(flat, rhythm_leads=("v1",))
    with pytest.raises(RequestError, match="at most 3 rhythm leads, not 4"):
        make_page(flat, rhythm_leads=("I", "II", "III", "V1"))
    with pytest.raises(RequestError, match="12x1 shows each lead at full length"):
        make_page(flat, "12x1", rhythm_leads=("II",))
    with pytest.raises(NotFound, match=r"no display filter '0\.5-30'"):
        make_page(flat, display_filter="0.5-30")
    with pytest.raises(NotFound, match="no paper size 'a5'"):
        make_page(flat, paper_size="a5")
    with pytest.raises(
        RequestError, match=r"200 s at 25 mm/s are 5.0 m of paper; take at most 120"
    ):
        make_page(marked("II", fs_hz=100.0, duration_s=200), duration_s=200)
