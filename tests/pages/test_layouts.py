"""The layout of images and pages is the visitor's choice, on every page that shows one."""

import pytest
from reading import words

from dashboard.charts import draw
from dashboard.data import cached_runs


@pytest.mark.parametrize(
    ("layout", "description"),
    [
        ("stacked", "leads I to V6 from the top"),
        ("clinical", "three rows of four leads"),
        ("panels", "the median beat of each lead"),
    ],
)
def test_browse_shows_the_network_image_in_each_layout(open_page, filled, layout, description):
    app = open_page("browse", cohort="examples", record="00530_lr", browse_image_layout=layout)
    assert description in words(app)


def test_train_starts_with_the_layout_and_augmentation_chosen(open_page, filled, monkeypatch):
    started = []
    monkeypatch.setattr(cached_runs, "start", started.append)
    app = open_page("train", cohort="examples")
    app.selectbox(key="train_layout").set_value("panels")
    app.selectbox(key="train_augmentation").set_value("targeted").run()
    app.button(key="train_start").click().run()
    assert not app.exception
    assert [(config.layout, config.augmentation) for config in started] == [
        ("panels", "targeted")
    ] * 2


def test_classify_lays_the_ecg_out_as_chosen(open_page, filled, small_pair, monkeypatch):
    drawn = []
    monkeypatch.setattr(draw, "paper", lambda record, dark, **options: drawn.append(options))
    app = open_page("classify", classify_example="LBBB", classify_runs=small_pair[2].id)
    assert "reads stacked images of 96 × 96 px at 100 Hz" in words(app)
    app.segmented_control(key="classify_layout").set_value("6x2").run()
    assert not app.exception
    assert drawn[-1]["layout"] == "6x2"
    assert drawn[-1]["measurements"]["rate_bpm"] > 0
    assert "relevance" in drawn[-1]
    assert "relevance" not in drawn[0]  # the ECG first, then the map
