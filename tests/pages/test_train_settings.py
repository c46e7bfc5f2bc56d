"""Train page before the start: the form of settings, recipes, checks and expectations."""

import json
from dataclasses import dataclass

import pytest
from reading import labels, links, words

from dashboard.components import train_preview, train_settings
from ecgcore.models import list_models
from ecgcore.runs import config
from ecgcore.runs.config import ResolvedConfig, TrainConfig
from ecgcore.runs.recipes import recipe_settings
from ecgcore.runs.run import Run
from ecgcore.runs.settings import OPTIMISATION, setting
from ecgcore.training.prepare import prepare
from ecgcore.workspace import Workspace


@pytest.fixture
def started(monkeypatch):
    """Return the trainings that the page would start, newest last; none is started."""
    started: list[ResolvedConfig] = []
    monkeypatch.setattr(
        "ecgcore.training.run_jobs.start", lambda config, workspace: started.append(config)
    )
    return started


def test_the_paper_s_protocol_for_both_networks_is_the_default(open_page, filled, started):
    app = open_page("train", cohort="examples")
    assert "This is the paper's protocol." in words(app)
    app.button(key="train_start").click().run()
    assert not app.exception
    assert started == [
        TrainConfig("examples", model=model).resolve() for model in train_settings.BOTH
    ]


def test_every_setting_is_passed_on_and_reset_at_a_click(open_page, filled, started):
    app = open_page("train", cohort="examples")
    assert app.pills(key="train_networks").options == [
        *train_settings.BOTH,
        *(name for name in list_models() if name not in train_settings.BOTH),
    ]
    app.pills(key="train_networks").set_value(["alexnet_gap"]).run()
    app.segmented_control(key="train_level").set_value("own").run()
    app.number_input(key="train_records").set_value(80)
    for name, value in (
        ("optimizer", "sgd"),
        ("schedule", "step"),
        ("class_balance", "weights"),
        ("label_tier", "broad"),
        ("layout", "clinical"),
        ("augmentation", "standard"),
        ("target_mode", "priority"),
        ("precision", "float32"),
    ):
        app.selectbox(key=f"train_{name}").select(value)
    for name, number in (
        ("epochs", 3),
        ("batch_size", 8),
        ("seed", 7),
        ("size", 96),
        ("patience", 2),
        ("dropout", 0.4),
        ("learning_rate", 0.01),
        ("weight_decay", 0.02),
        ("grad_clip", 1.5),
        ("ema_decay", 0.99),
        ("warmup_fraction", 0.1),
        ("label_smoothing", 0.1),
    ):
        app.number_input(key=f"train_{name}").set_value(number)
    app.run()
    app.selectbox(key="train_rhythm").select("V1").run()
    app.button(key="train_start").click().run()
    assert started == [
        TrainConfig(
            "examples",
            model="alexnet_gap",
            level="80",
            optimizer="sgd",
            schedule="step",
            class_balance="weights",
            label_tier="broad",
            layout="clinical",
            rhythm="V1",
            augmentation="standard",
            target_mode="priority",
            precision="float32",
            epochs=3,
            batch_size=8,
            seed=7,
            size=96,
            patience=2,
            dropout=0.4,
            learning_rate=0.01,
            weight_decay=0.02,
            grad_clip=1.5,
            ema_decay=0.99,
            warmup_fraction=0.1,
            label_smoothing=0.1,
        ).resolve()
    ]
    app.button(key="train_reset").click().run()
    app.button(key="train_start").click().run()
    assert started[1:] == [
        TrainConfig("examples", model=model).resolve() for model in train_settings.BOTH
    ]


def test_a_network_on_signals_has_its_shape_and_no_image(open_page, filled, started):
    app = open_page("train", cohort="examples", train_layout="clinical")
    app.pills(key="train_networks").set_value(["resnet1d"]).run()
    assert app.selectbox(key="train_layout").disabled
    app.number_input(key="train_width").set_value(16).run()
    app.button(key="train_start").click().run()
    assert started == [TrainConfig("examples", model="resnet1d", width=16).resolve()]


def test_labels_by_criteria_and_other_label_sets_can_be_chosen(open_page, filled, started):
    app = open_page("train", cohort="examples", train_level="all")
    app.selectbox(key="train_label_source").select("criteria").run()
    app.selectbox(key="train_thresholds").select("udmi2018").run()
    text = words(app)
    assert "Labels by criteria (udmi2018) from measurements" in text
    assert "Not as in the paper's protocol: level, label source, thresholds." in text
    app.selectbox(key="train_label_set").select("ptbxl5").run()
    assert app.selectbox(key="train_label_source").disabled
    app.button(key="train_start").click().run()
    assert {c.label_set for c in started} == {"ptbxl5"}
    assert {c.label_source for c in started} == {"expert"}


def test_invalid_settings_are_explained_in_a_line_and_cannot_start(open_page, filled):
    app = open_page("train", cohort="examples")
    app.number_input(key="train_size").set_value(128).run()
    assert "alexnet reads 224×224 pixels, not 128×128" in app.error[0].value
    assert app.button(key="train_start").disabled


def test_fine_tuning_uses_the_network_of_the_run_and_excludes_its_patients(
    open_page, filled, small_pair, started
):
    app = open_page("train", cohort="examples", train_level="all", train_seed="1")
    app.selectbox(key="train_pretrained").select(small_pair[2].id).run()
    text = words(app)
    assert f"Network: alexnet_m_se_gap, as in run {small_pair[2].id}, with the same input." in text
    assert "no patient that it was trained on is tested here" in text
    app.button(key="train_start").click().run()
    assert [(c.model, c.pretrained) for c in started] == [("alexnet_m_se_gap", small_pair[2].id)]
    app.number_input(key="train_seed").set_value(2).run()
    assert "was trained on" in app.error[0].value
    assert app.button(key="train_start").disabled


def test_expectations_are_shown_with_their_assumptions(open_page, filled, small_pair):
    app = open_page("train", cohort="examples", train_level="all", train_size="96")
    app.pills(key="train_networks").set_value(["alexnet_gap", "alexnet_bn_gap"]).run()
    text = words(app)
    assert "No patient and no recording is in two parts (" in text
    assert "95 % interval of an accuracy of 80 %: 0." in text
    assert "alexnet_gap: about " in text
    assert "from 1 epoch trained here before" in text
    assert "alexnet_bn_gap: unknown until its first epoch is done" in text
    assert "during training" in text


def test_a_leak_is_an_error_and_nothing_can_start(open_page, filled, monkeypatch):
    from ecgcore.cohort.leakage import LeakCheck

    leaky = LeakCheck(160, 158, 160, 0, shared_patients=2, shared_recordings=0)
    monkeypatch.setattr("ecgcore.training.prepare.check_leakage", lambda index, split: leaky)
    app = open_page("train", cohort="examples")
    assert "2 patients and 0 recordings are in two parts" in app.error[0].value
    assert app.button(key="train_start").disabled


def test_a_cancelled_training_resumes_at_a_click(open_page, own_copy: Workspace, monkeypatch):
    run = prepare(TrainConfig("examples", model="alexnet_gap", level="60"), own_copy)
    run.update_status(state="cancelled", message="Cancelled.", queued_at=1.0)
    resumed: list[Run] = []
    monkeypatch.setattr(
        "ecgcore.training.run_jobs.resume", lambda run, workspace: resumed.append(run)
    )
    app = open_page("train")
    app.button(key=f"train_resume_{run.id}").click().run()
    assert not app.exception
    assert resumed == [run]


def test_before_a_training_is_stopped_its_loss_is_explained(open_page, own_copy: Workspace):
    runs = [
        prepare(TrainConfig("examples", model="alexnet_gap", level="60"), own_copy)
        for _ in range(2)
    ]
    from ecgcore.runs.queue import enqueue

    for run in runs:
        enqueue(run, own_copy, ["cpu"])
    runs[0].update_status(state="running", message="Training.", eta_s=100)
    app = open_page("train")
    text = words(app)
    assert "The best epoch so far is kept" in text
    assert "it leaves the queue" in text
    texts = [bar.proto.text for bar in app.get("progress")]
    assert "position 2 in the queue" in texts[1]


def test_earlier_trainings_are_shown_by_the_url_and_two_lead_to_their_comparison(
    open_page, filled, small_pair
):
    a, b = small_pair[1:]
    app = open_page("train", train_shown=b.id)
    assert [bar.proto.text.split(" · ")[0] for bar in app.get("progress")] == [
        f"**{b.meta['model']}**"
    ]
    app.multiselect(key="train_shown").set_value([b.id, a.id]).run()
    assert links(app)["Compare these two"] == f"compare?a={a.id}&b={b.id}"
    spec = json.loads(app.get("plotly_chart")[-1].proto.spec)
    assert sum(len(trace["x"]) > 0 for trace in spec["data"]) == 6
    assert "Train both" in labels(app)


def test_a_recipe_fills_in_the_form_and_each_network_follows_its_own(open_page, filled, started):
    networks = ["alexnet_gap", "resnet1d"]
    app = open_page("train", cohort="examples")
    app.pills(key="train_networks").set_value(networks).run()
    app.selectbox(key="train_recipe").select("strong").run()
    assert app.number_input(key="train_epochs").value == 6
    assert app.number_input(key="train_learning_rate").value == 5e-4
    assert app.segmented_control(key="train_level").value == "all"
    assert "This is the recipe strong." in words(app)
    app.number_input(key="train_epochs").set_value(20).run()
    assert "Not as in the recipe strong: epochs." in words(app)
    app.button(key="train_start").click().run()
    assert started == [
        TrainConfig(
            "examples", model=model, **recipe_settings("strong", model) | {"epochs": 20}
        ).resolve()
        for model in networks
    ]
    app.selectbox(key="train_recipe").select("paper").run()
    assert app.number_input(key="train_epochs").value == 20
    assert app.number_input(key="train_learning_rate").value is None
    assert app.number_input(key="train_ema_decay").value == 0
    assert "This is the paper's protocol." in words(app)


def test_a_recipe_and_changes_to_it_are_opened_again_from_the_url(open_page, filled, started):
    link = {"train_networks": "alexnet_gap", "train_recipe": "strong", "train_epochs": "20"}
    app = open_page("train", cohort="examples", **link)
    assert app.number_input(key="train_ema_decay").value == 0.995
    app.button(key="train_start").click().run()
    strong = recipe_settings("strong", "alexnet_gap") | {"epochs": 20}
    assert started == [TrainConfig("examples", model="alexnet_gap", **strong).resolve()]


def test_a_setting_that_is_declared_has_a_control(open_page, filled, monkeypatch):
    @dataclass(frozen=True)
    class Wider(TrainConfig):
        momentum: float = setting(
            0.9, help="Invented for a test.", group=OPTIMISATION, low=0, high=1, unit="share"
        )

    monkeypatch.setattr(config, "TrainConfig", Wider)
    app = open_page("train", cohort="examples")
    control = app.number_input(key="train_momentum")
    assert (control.label, control.help) == ("Momentum, share", "Invented for a test.")
    assert (control.value, control.min, control.max) == (0.9, 0, 1)


def test_every_advanced_setting_has_a_control(open_page, filled):
    app = open_page("train", cohort="examples")
    keys = {
        control.key
        for kind in ("selectbox", "number_input", "text_input", "checkbox")
        for control in getattr(app, kind)
    }
    names = {one.name for one in config.train_settings() if one.is_advanced}
    assert {f"train_{name}" for name in names} <= keys


def test_times_and_sizes_in_words():
    assert [train_preview.duration(s) for s in (0.2, 42, 700, 12_600)] == [
        "1 s",
        "42 s",
        "12 min",
        "3.5 h",
    ]
    assert [train_preview.size(n) for n in (61_000_000, 1_633_000_000)] == ["61 MB", "1.6 GB"]
