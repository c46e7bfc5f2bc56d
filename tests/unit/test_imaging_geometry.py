"""Geometry: pixel ↔ (lead, second, mV), and what belongs to which lead."""

import json
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch

from ecgcore.errors import NotFound, RequestError
from ecgcore.imaging import LAYOUTS, draw, geometry_from_json, make_geometry
from ecgcore.imaging.geometry import parse_size
from ecgcore.records.record import LEADS


def test_stacked_at_224_has_the_stated_measures():
    geometry = make_geometry("stacked", 224)
    assert (geometry.px_per_mv, geometry.px_per_s, geometry.pen_px) == (8, pytest.approx(22.4), 1)
    assert [s.baseline_px for s in geometry.strips] == [40.5 + 13 * i for i in range(12)]
    assert [s.channel for s in geometry.strips] == [0, 1, 2] * 4
    assert [LEADS[s.lead] for s in geometry.strips] == list(LEADS)


def test_clinical_at_224_has_the_stated_measures():
    geometry = make_geometry("clinical", 224)
    assert (geometry.px_per_mv, geometry.px_per_s, geometry.pen_px) == (14, pytest.approx(22.4), 1)
    rows = [[LEADS[s.lead] for s in row] for row in geometry.rows]
    assert rows == [
        ["I", "aVR", "V1", "V4"],
        ["II", "aVL", "V2", "V5"],
        ["III", "aVF", "V3", "V6"],
        ["II"],
    ]
    assert [row[0].channel for row in geometry.rows] == [0, 1, 2, 0]
    assert [s.start_s for s in geometry.rows[0]] == [0, 2.5, 5, 7.5]
    assert [s.left_px for s in geometry.rows[0]] == [0, 56, 112, 168]
    assert (geometry.strips[-1].start_s, geometry.strips[-1].duration_s) == (0, 10)


def test_panels_at_224_show_what_a_qrs_needs():
    geometry = make_geometry("panels", 224)
    rows = [[LEADS[s.lead] for s in row] for row in geometry.rows]
    assert rows == [
        ["I", "II", "III"],
        ["aVR", "aVL", "aVF"],
        ["V1", "V2", "V3"],
        ["V4", "V5", "V6"],
        ["II"],
    ]
    assert geometry.px_per_mv == pytest.approx(12)
    for panel in geometry.strips[:12]:
        assert panel.around_r
        assert panel.px_per_s == pytest.approx(100)
        assert panel.start_s <= -0.25
        assert panel.start_s + panel.duration_s >= 0.45
    rhythm = geometry.strips[-1]
    assert not rhythm.around_r
    assert (rhythm.width_px, rhythm.px_per_s) == (224, pytest.approx(22.4))


def test_the_rhythm_strip_shows_the_lead_asked_for():
    assert LEADS[make_geometry("clinical", 224, rhythm="V1").strips[-1].lead] == "V1"
    assert make_geometry("panels", rhythm="V1") != make_geometry("panels")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [224, 96, (100, 300), (224, 448)])
def test_pixels_and_places_map_both_ways(layout, size):
    geometry = make_geometry(layout, size)
    for strip in geometry.strips:
        second = strip.start_s + 0.4 * strip.duration_s
        x_px, y_px = strip.x_px(second), strip.baseline_px - 0.1 * geometry.px_per_mv
        position = geometry.at(x_px, y_px)
        assert position == (LEADS[strip.lead], pytest.approx(second), pytest.approx(0.1))
        assert geometry.strip_at(x_px, y_px) is strip
        if strip is geometry.strip(LEADS[strip.lead]):
            pixel = geometry.pixel(*position)
            assert pixel == (pytest.approx(x_px), pytest.approx(y_px))


def test_a_time_that_only_the_rhythm_strip_shows_is_found_there():
    geometry = make_geometry("clinical")
    assert geometry.pixel("II", 6.0, 0)[1] == geometry.strips[-1].baseline_px
    assert geometry.pixel("II", 1.0, 0)[1] == geometry.strips[4].baseline_px


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [32, 67, 224, 230, (100, 300), (448, 224)])
def test_no_trace_within_5_mv_leaves_the_picture(layout, size):
    geometry = make_geometry(layout, size)
    for strip in geometry.strips:
        reach_px = 5 * geometry.px_per_mv + geometry.pen_px / 2
        assert reach_px <= strip.baseline_px <= geometry.height - reach_px
        assert 0 <= strip.left_px < strip.columns.stop <= geometry.width


@pytest.mark.parametrize("layout", LAYOUTS)
def test_neighbouring_rows_stand_in_different_channels(layout):
    rows = make_geometry(layout).rows
    assert all(a[0].channel != b[0].channel for a, b in pairwise(rows))


def test_ink_stands_where_the_geometry_says():
    signal_mv = torch.zeros(1, 12, 1000)
    signal_mv[0, LEADS.index("aVF"), 730] = 1.5
    geometry = make_geometry("stacked", (300, 400))
    changed = draw(signal_mv, 100, size=(300, 400)) - draw(0 * signal_mv, 100, size=(300, 400))
    rows, columns = (changed[0].sum(dim=0) > 0.01).nonzero(as_tuple=True)
    x_px, y_px = geometry.pixel("aVF", 7.3, 1.5)
    assert rows.min() == int(y_px - geometry.pen_px / 2)
    assert columns.float().mean() + 0.5 == pytest.approx(x_px, abs=0.5)


def test_lead_weights_share_every_pixel_among_the_leads():
    geometry = make_geometry("stacked", (100, 60))
    weights = geometry.lead_weights()
    assert weights.shape == (12, 100, 60)
    np.testing.assert_allclose(weights.sum(axis=0), 1, rtol=1e-6)
    for row, strip in enumerate(geometry.strips):
        assert (weights[row, int(strip.baseline_px)] == 1).all()


@pytest.mark.parametrize("layout", ["clinical", "panels"])
def test_lead_weights_know_the_columns_of_each_lead(layout):
    geometry = make_geometry(layout, (100, 96))
    weights = geometry.lead_weights()
    np.testing.assert_allclose(weights.sum(axis=0), 1, rtol=1e-6)
    for strip in geometry.strips:
        middle = (int(strip.baseline_px), strip.left_px + strip.width_px // 2)
        assert weights[strip.lead, *middle] == 1


def test_columns_tell_their_seconds():
    seconds = make_geometry("stacked", 224, duration_s=5).step_times_s()
    assert len(seconds) == 224
    assert (seconds[0], seconds[-1]) == (pytest.approx(2.5 / 224), pytest.approx(5 - 2.5 / 224))
    assert len(make_geometry("clinical", 224).step_times_s()) == 224
    assert len(make_geometry("panels", 224).step_times_s()) == 1000  # at the panels' 100 px/s


def test_measures_are_plain_json_and_compare_by_value():
    values = json.loads(json.dumps(make_geometry("stacked", 96).as_json()))
    assert values["strips"][3]["lead"] == "aVR"
    assert make_geometry("stacked", 96) == make_geometry("stacked", (96, 96))
    assert make_geometry("stacked", 96) != make_geometry("stacked", 97)
    assert make_geometry("stacked", 96) != make_geometry("stacked", 96, stroke_version=1)


def test_the_input_of_a_run_gives_its_measures_and_an_old_one_the_first_pen():
    run_input = {"layout": "clinical", "size": [96, 120], "duration_s": 10.0}
    assert geometry_from_json(run_input) == make_geometry("clinical", (96, 120), stroke_version=1)
    assert geometry_from_json(run_input | {"pen": 2, "rhythm": "V1"}) == make_geometry(
        "clinical", (96, 120), rhythm="V1", stroke_version=2
    )


def test_sizes_are_read_as_a_side_or_as_height_and_width():
    assert parse_size("224") == 224
    assert parse_size("224x448") == parse_size(" 224 × 448") == (224, 448)
    for wrong in ("", "x", "224x", "1x2x3", "-5", "22.4", "big"):
        with pytest.raises(RequestError, match=r"is no size of an image: .* such as 224x448"):
            parse_size(wrong)


def test_unknown_layouts_leads_and_durations_are_refused():
    with pytest.raises(NotFound, match=r"There is no layout 'clinicl'. Did you mean 'clinical'"):
        make_geometry("clinicl")
    with pytest.raises(NotFound, match="no lead 'V7'"):
        make_geometry().pixel("V7", 1, 0)
    with pytest.raises(NotFound, match="no lead 'VI'"):
        make_geometry("clinical", rhythm="VI")
    with pytest.raises(NotFound, match="no stroke version '3'"):
        make_geometry(stroke_version=3)
    with pytest.raises(RequestError, match="cannot show 0 s: give more than 0"):
        make_geometry(duration_s=0)


def test_importing_the_package_does_not_import_torch():
    code = "import sys, ecgcore.imaging; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
