"""Compare: its figures are ecgcore's, and each tab shows its own and nothing else."""

import json
import shutil

import pandas as pd
import pytest
from reading import labels, links, words

from dashboard.charts.figures_matrices import record_count
from dashboard.data import cached_runs
from ecgcore.comparison.compare import compare, on_common_records
from ecgcore.comparison.text import finding
from ecgcore.evaluation.evaluate import run_scores
from ecgcore.evaluation.operating_points import curve_points
from ecgcore.evaluation.subgroups import run_traits, subgroups
from ecgcore.evaluation.test_access_log import ACCESS_LOG_FILE, access_counts
from ecgcore.runs.run import Run
from ecgcore.workspace import Workspace


@pytest.fixture
def open_tab(open_page, filled, small_pair):
    """Return a function that opens a tab of the comparison of the small pair."""

    def opened(tab, **query):
        a, b = small_pair[1:]
        return open_page("compare", a=a.id, b=b.id, compare_tab=tab, **query)

    return opened


@pytest.fixture
def seeds(small_pair, tmp_path, monkeypatch, open_page):
    """Return (workspace, ids of A, ids of B): the small pair, and copies under another seed."""
    workspace = Workspace(tmp_path / "home")
    shutil.copytree(
        small_pair[0].path, workspace.path, ignore=shutil.ignore_patterns(ACCESS_LOG_FILE)
    )
    for run in small_pair[1:]:
        folder = workspace.runs / run.id.replace("-s1-", "-s2-")
        shutil.copytree(run.folder, folder)
        meta = json.loads((folder / "run.json").read_text())
        meta["config"]["seed"] = meta["seed"] = 2
        (folder / "run.json").write_text(json.dumps(meta | {"run": folder.name}))
    monkeypatch.setenv("ECGCORE_HOME", str(workspace.path))
    ids = [[run.id, run.id.replace("-s1-", "-s2-")] for run in small_pair[1:]]
    return workspace, *ids


def test_the_page_shows_the_numbers_of_the_command(open_page, filled, small_pair):
    a, b = small_pair[1:]
    app = open_page("compare", a=a.id, b=b.id)
    comparison = compare(a, b).as_json()
    assert finding(comparison) in words(app)
    rows = app.table[0].value
    change = comparison["differences"]["macro_auc"]
    assert (
        rows.loc["Macro AUC", "A"] == f"{comparison['evaluations']['a']['macro_auc']['value']:.3f}"
    )
    assert rows.loc["Macro AUC", "B − A"] == f"{change['value']:.3f}".replace("-", "−")


def test_unknown_runs_in_the_url_are_replaced_by_the_latest_pair(open_page, filled, small_pair):
    a, b = small_pair[1:]
    app = open_page("compare", a="no such run", b=f"{b.id},nor this")
    assert [app.multiselect(key=f"compare_{side}").value for side in "ab"] == [[a.id], [b.id]]


def test_an_empty_side_asks_for_a_run(open_page, filled):
    app = open_page("compare")
    app.multiselect(key="compare_a").set_value([]).run()
    assert "Choose a run, or several seeds of one, for A and for B." in words(app)


def test_all_seeds_are_added_at_a_click_and_give_three_intervals(open_page, seeds):
    workspace, a, b = seeds
    app = open_page("compare", a=a[0], b=b[0])
    assert "Compare all 2 seeds" in labels(app)
    app.button(key="compare_seeds").click().run()
    text = words(app)
    assert [app.multiselect(key=f"compare_{side}").value for side in "ab"] == [a, b]
    assert app.query_params["a"] == ",".join(a)
    assert "2 seeds a side, seeds and patients resampled" in text
    assert list(app.table[0].value.columns[3:]) == ["over patients", "over seeds", "over both"]
    assert "Compare all" not in " ".join(labels(app))
    again = open_page("compare", a=",".join(a), b=",".join(b), compare_pair="")
    assert again.multiselect(key="compare_b").value == b
    shown = again.selectbox(key="compare_pair")
    assert [option[:6] for option in shown.options] == ["seed 1", "seed 2"]
    shown.select(shown.options[1]).run()
    assert compare(*(Run(workspace.runs / side[1]) for side in (a, b))).finding in words(again)


def test_sides_of_unequal_numbers_of_seeds_are_refused_in_a_line(open_page, seeds):
    _, a, b = seeds
    app = open_page("compare", a=",".join(a), b=b[0])
    assert "2 runs against 1" in app.error[0].value or "seeds against" in app.error[0].value
    assert not app.exception


def test_opening_another_tab_is_no_new_access_to_the_test_set(open_page, seeds):
    workspace, a, b = seeds
    runs = [Run(workspace.runs / side[0]) for side in (a, b)]
    app = open_page("compare", a=a[0], b=b[0])
    for tab in ("Curves", "Confusion", "Calibration", "Disagreements"):
        open_page("compare", a=a[0], b=b[0], compare_tab=tab)
    app.run()
    assert access_counts(workspace, runs, "test")["times"] == 1


def test_only_the_open_tab_is_computed(open_tab, monkeypatch):
    def refuse(*_):
        raise AssertionError("computed, although its tab is closed")

    for name in ("subgroups", "operating_points", "calibration", "curves", "cell"):
        monkeypatch.setattr(f"dashboard.data.cached_comparison.{name}", refuse)
    assert "DeLong" in words(open_tab("By class")) or "n/a" in words(open_tab("By class"))
    assert "Disagreements: " in words(open_tab("Disagreements"))


@pytest.mark.parametrize("kind", ["ROC", "Precision–recall"])
def test_curves_mark_the_operating_point_and_show_thresholds(open_tab, small_pair, kind):
    app = open_tab("Curves", compare_curve_kind=kind, compare_curve="LBBB")
    spec = json.loads(app.get("plotly_chart")[0].proto.spec)
    drawn = {trace.get("name"): trace for trace in spec["data"]}
    sides = on_common_records(*(run_scores(run) for run in small_pair[1:]))
    point = curve_points(sides[0])["LBBB"]
    dot = drawn["alexnet_gap, operating point"]
    sensitivity = dot["y" if kind == "ROC" else "x"][0]
    assert sensitivity == pytest.approx(point["sensitivity"])
    assert dot["customdata"][0][0] == f"{point['threshold']:.3f}"
    curve = next(t for name, t in drawn.items() if name and name.startswith("alexnet_gap "))
    assert "threshold %{customdata[0]}" in curve["hovertemplate"]


def test_a_cell_in_the_url_lists_its_records_and_leads_to_browse(open_tab, small_pair):
    comparison = compare(*small_pair[1:]).as_json()
    counts = comparison["evaluations"]["b"]["confusion"]
    codes = list(comparison["evaluations"]["b"]["classes"])
    row, column = max(
        ((i, j) for i in range(10) for j in range(10)), key=lambda at: counts[at[0]][at[1]]
    )
    app = open_tab(
        "Confusion",
        compare_cell_label=codes[row],
        compare_cell_said=codes[column],
        compare_cell_side="B",
    )
    why = f"label {codes[row]}, B says {codes[column]}"
    n = counts[row][column]
    assert f"**{record_count(n)}** · {why}" in words(app)
    rows = app.dataframe[0].value
    assert len(rows) == n
    assert set(rows["b"]) == {codes[column]}
    target = links(app)["Show all of them in Browse"]
    assert all(name in target for name in rows["record"])
    assert target.startswith("browse?cohort=examples&records=")


def test_calibration_is_shown_before_and_after_temperature_scaling(open_tab, small_pair):
    app = open_tab("Calibration")
    text = words(app)
    assert "nothing is fitted on the records shown here" in text
    assert list(app.table[1].value.index) == ["A, before", "A, after", "B, before", "B, after"]


def test_subgroups_are_the_engine_s_with_n(open_tab, small_pair):
    a, b = small_pair[1:]
    app = open_tab("Subgroups")
    rows = app.table[1].value
    side = on_common_records(run_scores(a), run_scores(b))[0]
    scores = subgroups(side, run_traits(a, "test", small_pair[0]))
    females = rows[rows["group"] == "female"].iloc[0]
    assert females["n"] == str(scores["sex"]["female"]["n"])
    value = scores["sex"]["female"]["macro_auc"]["value"]
    assert females["macro AUC A"].startswith("n/a" if value is None else f"{value:.2f}")
    app.segmented_control(key="compare_subgroup_figure").set_value("Macro-F1 and accuracy").run()
    assert {"macro-F1 B", "accuracy B"} <= set(app.table[1].value.columns)


def test_operating_points_and_a_decision_curve(open_tab):
    app = open_tab("Operating points")
    rows = app.table[1].value
    assert {"threshold A", "Sensitivity A", "Specificity B", "PPV A", "NPV B"} <= set(rows.columns)
    app.selectbox(key="compare_decision").select(rows.index[-1]).run()
    assert not app.exception


def test_the_time_per_ecg_is_measured_on_request(open_tab):
    app = open_tab("Cost")
    assert list(app.table[1].value.index) == ["Parameters", "Multiply-adds, one ECG"]
    app.button(key="compare_measure").click().run()
    assert app.table[1].value.index[-1] == "ms per ECG, here, one thread"
    assert float(app.table[1].value["A"].iloc[-1]) > 0


def test_disagreements_are_stepped_through_and_explained_on_request(open_tab, small_pair):
    comparison = compare(*small_pair[1:]).as_json()
    names = comparison["disagreements"]
    app = open_tab("Disagreements")
    assert list(app.dataframe[0].value["record"]) == names
    assert len(app.get("image")) == 0
    app.button(key="compare_next").click().run()
    assert app.text_input(key="compare_record").value == names[0]
    pictures = len(app.get("image"))
    app.toggle(key="compare_maps").set_value(True).run()
    assert not app.exception
    assert len(app.get("image")) == pictures + 2
    app.button(key="compare_next").click().run()
    assert app.text_input(key="compare_record").value == names[1]
    targets = links(app)
    assert f"record={names[1]}" in targets["More in Saliency"]
    assert "saliency_class=" in targets["More in Saliency"]
    assert targets["Show in Browse"] == f"browse?cohort=examples&record={names[1]}"


def test_the_comparison_can_be_downloaded(open_page, filled):
    app = open_page("compare")
    buttons = [button.label for button in app.download_button]
    assert buttons == ["Download report", "Download as JSON"]


def test_a_figure_s_data_is_what_it_shows(small_pair):
    from dashboard.charts.figure_data import csv_of, rows_of
    from dashboard.charts.figures_curves import of_runs
    from ecgcore.evaluation.roc import roc_curves_of

    curve = roc_curves_of(run_scores(small_pair[1]))["LBBB"]
    drawn = of_runs("ROC", [("A", curve, None)], ["#475569"], "LBBB")
    rows = rows_of(drawn)
    assert rows["sensitivity"].tolist() == pytest.approx(curve["tpr"].tolist())
    assert rows["1 − specificity"].tolist() == pytest.approx(curve["fpr"].tolist())
    assert list(rows.columns) == [
        "series",
        "1 − specificity",
        "sensitivity",
        "threshold",
        "specificity",
    ]
    text = csv_of(drawn, "ROC of LBBB")
    assert "Research use only" in text
    assert "ROC of LBBB" in text
    assert isinstance(rows, pd.DataFrame)


def test_only_networks_that_answer_the_same_classes_are_paired():
    models = {run.id: run for run in cached_runs.shipped()}
    available = [*models.values()]
    assert cached_runs.pair_of(models["resnet1d_ptbxl71"], available) is None
    a, b = cached_runs.pair_of(models["alexnet_m_se_gap"], available)
    assert (a.meta["classes"], b.id) == (b.meta["classes"], "alexnet_m_se_gap")
