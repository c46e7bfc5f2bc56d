"""Geometry: pixel ↔ (lead, second, mV), and what belongs to which lead."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from ecgcore.errors import NotFound, RequestError
from ecgcore.imaging import LAYOUTS, draw, geometry
from ecgcore.records.record import LEADS


def test_stacked_at_224_has_the_stated_measures():
    measures = geometry("stacked", 224)
    assert (measures.px_per_mv, measures.px_per_s, measures.pen_px) == (8, pytest.approx(22.4), 1)
    assert [s.baseline_px for s in measures.strips] == [40.5 + 13 * i for i in range(12)]
    assert [s.channel for s in measures.strips] == [0, 1, 2] * 4
    assert [LEADS[s.lead] for s in measures.strips] == list(LEADS)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [224, 96, (100, 300)])
def test_pixels_and_places_map_both_ways(layout, size):
    measures = geometry(layout, size)
    for lead in LEADS:
        x_px, y_px = measures.pixel(lead, 3.3, 0.1)
        assert measures.at(x_px, y_px) == (lead, pytest.approx(3.3), pytest.approx(0.1))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [32, 67, 224, 230, (100, 300)])
def test_no_trace_within_5_mv_leaves_the_picture(layout, size):
    measures = geometry(layout, size)
    for strip in measures.strips:
        reach_px = 5 * measures.px_per_mv + measures.pen_px / 2
        assert reach_px <= strip.baseline_px <= measures.height - reach_px


def test_ink_stands_where_the_geometry_says():
    signal_mv = torch.zeros(1, 12, 1000)
    signal_mv[0, LEADS.index("aVF"), 730] = 1.5
    measures = geometry("stacked", (300, 400))
    changed = draw(signal_mv, 100, size=(300, 400)) - draw(0 * signal_mv, 100, size=(300, 400))
    rows, columns = (changed[0].sum(dim=0) > 0.01).nonzero(as_tuple=True)
    x_px, y_px = measures.pixel("aVF", 7.3, 1.5)
    assert rows.min() == int(y_px - measures.pen_px / 2)
    assert int(x_px) in columns.tolist()


def test_lead_weights_share_every_pixel_among_the_leads():
    measures = geometry("stacked", (100, 60))
    weights = measures.lead_weights()
    assert weights.shape == (12, 100, 60)
    np.testing.assert_allclose(weights.sum(axis=0), 1, rtol=1e-6)
    for row, strip in enumerate(measures.strips):
        assert (weights[row, int(strip.baseline_px)] == 1).all()


def test_columns_tell_their_seconds():
    seconds = geometry("stacked", 224, duration_s=5).column_seconds()
    assert len(seconds) == 224
    assert (seconds[0], seconds[-1]) == (pytest.approx(2.5 / 224), pytest.approx(5 - 2.5 / 224))


def test_measures_are_plain_json_and_compare_by_value():
    told = json.loads(json.dumps(geometry("stacked", 96).as_json()))
    assert told["strips"][3]["lead"] == "aVR"
    assert geometry("stacked", 96) == geometry("stacked", (96, 96))
    assert geometry("stacked", 96) != geometry("stacked", 97)


def test_unknown_layouts_leads_and_durations_are_refused():
    with pytest.raises(NotFound, match=r"There is no layout 'clinicl'. .*There is: stacked"):
        geometry("clinicl")
    with pytest.raises(NotFound, match="no lead 'V7'"):
        geometry().pixel("V7", 1, 0)
    with pytest.raises(RequestError, match="not 0"):
        geometry(duration_s=0)


def test_importing_the_package_does_not_import_torch():
    code = "import sys, ecgcore.imaging; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
