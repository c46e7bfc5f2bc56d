"""Every page on a workspace with the example cohort and two runs: the numbers are ecgcore's."""

import re
from pathlib import Path

import pytest
from reading import labels, links, words

from ecgcore.cohort.store import Cohort
from ecgcore.comparison.compare import compare
from ecgcore.inference.classify import classify_paths
from ecgcore.inference.model import load_model
from ecgcore.records.read import read_record

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "ptb-xl"


def test_overview_lists_cohorts_and_runs_and_opens_with_the_latest_finding(
    open_page, filled, small_pair
):
    app = open_page("overview")
    assert compare(*small_pair[1:]).finding in words(app)
    cohorts, runs = (table.value for table in app.dataframe)
    assert cohorts.loc[0, ["cohort", "records"]].tolist() == ["examples", 160]
    states = Cohort.open("examples", filled).states("core")
    assert list(cohorts.loc[0, "classes"]) == (states == 1).sum(axis=0).tolist()
    assert set(runs["run"]) >= {run.id for run in small_pair[1:]}


def test_browse_filters_with_a_count(open_page, filled):
    app = open_page("browse", cohort="examples", browse_class="LBBB")
    assert "**16** of 160 records" in words(app)
    app.multiselect(key="browse_sex").set_value(["female"]).run()
    rows = app.dataframe[0].value
    assert 0 < len(rows) < 16
    assert set(rows["sex"]) == {"female"}
    assert app.text_input(key="record").value == rows["record"].iloc[0]
    app.text_input(key="browse_text").set_value("no such statement").run()
    assert "No record matches these filters" in words(app)


def test_a_record_in_the_url_is_shown_with_the_origin_of_its_labels(open_page, filled):
    app = open_page("browse", cohort="examples", record="00530_lr")
    text = words(app)
    assert app.text_input(key="record").value == "00530_lr"
    assert "224 × 224 px, 22.4 px/s, 8.0 px/mV" in text
    assert "present: scp" in text


def test_browse_traces_labels_to_measurements_and_thresholds(open_page, filled):
    app = open_page("browse", cohort="examples", record="00530_lr", browse_tier="criteria")
    assert not app.exception
    text = " ".join(m.value for m in app.markdown)
    assert "bpm, not > 100 bpm (paper 001, section 2.3)" in text
    captions = [c.value for c in app.caption]
    assert "Measurements, and labels from them: automatic, unconfirmed." in captions


def test_browse_shows_the_quality_flags_of_a_recording(open_page, filled):
    app = open_page("browse", cohort="examples", record="04099_lr")
    assert [w.value for w in app.warning] == ["baseline: baseline of V1 wanders by 2.8 mV"]
    app = open_page("browse", cohort="examples", record="00530_lr")
    assert not app.warning
    assert "the automatic checks raised no flag" in words(app)


def test_next_and_previous_step_through_the_matching_records(open_page, filled):
    app = open_page("browse", cohort="examples", browse_class="RVH")
    names = app.dataframe[0].value["record"].tolist()
    assert app.text_input(key="record").value == names[0]
    app.button(key="browse_next").click().run()
    assert app.text_input(key="record").value == names[1]
    for _ in range(2):
        app.button(key="browse_previous").click().run()
    assert app.text_input(key="record").value == names[-1]


def test_a_browsed_record_is_passed_on_to_saliency(open_page, filled):
    app = open_page("browse", cohort="examples", record="00530_lr")
    assert links(app) == {"Explain in Saliency": "saliency?cohort=examples&record=00530_lr"}


def test_the_latest_comparison_opens_from_the_overview(open_page, filled, small_pair):
    a, b = small_pair[1:]
    assert links(open_page("overview")) == {
        "Open the comparison": f"compare?a={a.id}&b={b.id}",
        "Train both on a cohort": "train?",
        "Classify an ECG": "classify?",
    }


def test_an_unknown_record_is_one_line(open_page, filled):
    app = open_page("browse", cohort="examples", record="../../etc/passwd")
    assert [e.value for e in app.error] == [
        "Cohort 'examples' has no record '../../etc/passwd' among its 160, such as '"
        + app.dataframe[0].value["record"].iloc[0]
        + "'."
    ]


def test_train_shows_the_records_of_a_level_before_the_start(open_page, filled):
    app = open_page("train", cohort="examples")
    assert "204 records requested, 20 or 21 per class" in words(app)
    assert "Train both" in labels(app)
    app.pills(key="train_networks").set_value([]).run()
    assert app.button(key="train_start").disabled


def test_an_example_is_classified_as_the_command_does(open_page, filled, small_pair):
    run = small_pair[2]
    app = open_page("classify", classify_example="LBBB", classify_runs=run.id)
    record = next(p for p in EXAMPLES.rglob("*.hea") if p.stem in words(app))
    answer = next(classify_paths([record], load_model(run.id, filled)))
    top = answer["top"]
    calls = ", ".join(f"**{code}**" for code in answer["called"]) or "**none**"
    assert f"**{top} · " in words(app)
    assert f"{answer['probabilities'][top]:.3f}" in words(app)
    assert f"Called, each class at its own threshold: {calls}." in words(app)


def test_an_uploaded_pair_is_classified_and_explained(open_page, filled):
    app = open_page("classify")
    header = next(EXAMPLES.rglob("*.hea"))
    pair = [header, header.with_suffix(".dat")]
    for file in pair:
        app.file_uploader[0].upload(file.name, file.read_bytes())
    app.run()
    assert "Most probable" in words(app) or "The networks differ" in words(app)
    assert "Behind the trace: Grad-CAM" in words(app)
    app.switch_page("app_pages/saliency.py").run()
    assert app.segmented_control(key="saliency_source").value == "an ECG of mine"


def test_several_uploads_become_a_table_and_the_bad_one_a_line(open_page, filled):
    app = open_page("classify")
    for header in sorted(EXAMPLES.rglob("*.hea"))[:2]:
        for file in (header, header.with_suffix(".dat")):
            app.file_uploader[0].upload(file.name, file.read_bytes())
    app.file_uploader[0].upload("two.csv", b"I,II\n0.1,0.2\n0.2,0.3\n").run()
    assert len(app.dataframe[0].value) == 2
    assert app.dataframe[0].value["quality gate"].tolist() == ["passes", "passes"]
    assert "Download as CSV" in [button.label for button in app.download_button]
    assert len(app.error) == 1
    assert "two" in app.error[0].value


def test_a_bare_csv_is_read_once_its_rate_and_order_are_given(open_page, filled):
    record = read_record(next(EXAMPLES.rglob("*.hea")))
    bare = "\n".join(",".join(f"{v:.3f}" for v in row) for row in record.signal_mv.T)
    app = open_page("classify")
    app.file_uploader[0].upload("bare.csv", bare.encode()).run()
    assert len(app.error) == 1
    app.number_input(key="classify_fs_hz").set_value(100.0)
    app.checkbox(key="classify_in_order").check().run()
    assert not app.error
    assert "Behind the trace: Grad-CAM" in words(app)


def test_saliency_states_its_resolution_and_both_probabilities(open_page, filled, small_pair):
    app = open_page("saliency", cohort="examples", record="00530_lr", saliency_class="LBBB")
    text = words(app)
    assert re.search("spans [0-9]+ ms", text) or "No positive evidence for LBBB" in text
    assert "**A · " in text
    assert "**B · " in text


def test_saliency_resolves_waves_if_the_method_does_and_checks_a_map_on_request(
    open_page, filled, small_pair
):
    query = {"cohort": "examples", "record": "00530_lr", "saliency_class": "LBBB"}
    app = open_page("saliency", saliency_runs=small_pair[1].id, **query)
    assert "no bars by wave: a cell of this map spans" in words(app) or "No positive" in words(app)
    app.selectbox(key="saliency_method").select("occlusion_wave").run()
    text = words(app)
    assert "resolves P, QRS, ST and T of each lead" in text
    assert "no bars by wave" not in text or "No positive evidence" in text
    app.button(key="saliency_trust_0").click().run()
    assert not app.exception
    messages = " ".join(e.value for e in (*app.warning, *app.success, *app.info))
    assert "Trust: " in messages or "nothing speaks for" in messages


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.csv", b"", "empty.csv"),
        ("notes.hea", b"this is no header\n", "notes"),
        ("picture.png", b"\x89PNG\r\n", "picture"),
        ("alone.dat", b"\0\1", "alone.hea is missing beside alone.dat"),
        ("alone.mat", b"MATLAB", "alone.mat is a damaged MATLAB file"),
        ("../../etc/passwd", b"root:x:0:0", "passwd"),
    ],
)
def test_a_file_without_an_ecg_is_refused_by_name_and_gets_no_answer(
    open_page, filled, name, content, reason
):
    app = open_page("classify")
    app.file_uploader[0].upload(name, content).run()
    assert reason in app.error[0].value
    assert "Most probable" not in words(app)
