"""Before a training: its time, its disk, and how wide the interval of its score will be."""

import json
import shutil
from dataclasses import replace

import pytest
from simulated import predictions

from ecgcore.cohort.store import Cohort
from ecgcore.comparison.seed_groups import complete_seed_groups
from ecgcore.errors import RequestError
from ecgcore.evaluation.bootstrap import expected_interval
from ecgcore.evaluation.evaluate import evaluate
from ecgcore.labels.classes import CODES
from ecgcore.models import create_model
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.recipes import recipe_settings
from ecgcore.runs.run import Run, list_runs
from ecgcore.training import memory
from ecgcore.training.forecast import count_parameters, expected_intervals, find_pace, forecast
from ecgcore.training.prepare import make_split
from ecgcore.workspace import Workspace

SMALL = TrainConfig("examples", "alexnet_gap", level="all", size=96, epochs=7, device="cpu")


@pytest.fixture
def own_pair(small_pair, tmp_path):
    workspace = Workspace(tmp_path / "home")
    shutil.copytree(small_pair[0].path, workspace.path)
    return workspace, Run(workspace.runs / small_pair[1].id)


def test_a_network_that_was_never_trained_here_has_no_expected_time(small_pair):
    assert find_pace(replace(SMALL, model="alexnet_bn_gap").resolve(), small_pair[0]) is None
    assert find_pace(replace(SMALL, size=128).resolve(), small_pair[0]) is None


def test_the_time_follows_from_an_earlier_run_of_the_same_network(own_pair):
    workspace, run = own_pair
    row = json.loads((run.folder / "history.jsonl").read_text().splitlines()[0])
    rows = [row | {"epoch": i + 1, "seconds": s} for i, s in enumerate((9.0, 2.0, 4.0, 3.0))]
    (run.folder / "history.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    recipe = SMALL.resolve()
    cohort, plan = make_split(recipe, workspace)
    found = forecast(recipe, cohort, plan, workspace)
    learnt_from = run.meta["split"]["records"]["train"]
    records = int((plan.part == "train").sum())
    assert found.seconds == pytest.approx(3.0 / learnt_from * records * 7)
    assert (found.pace.run, found.pace.epochs) == (run.id, 3)


def test_a_run_of_another_version_tells_nothing_and_is_in_nobody_s_way(own_pair):
    workspace, run = own_pair
    for other in list_runs(workspace):
        meta = other.meta
        meta["config"]["a_setting_to_come"] = 1
        (other.folder / "run.json").write_text(json.dumps(meta))
    assert find_pace(SMALL.resolve(), workspace) is None
    assert complete_seed_groups([run], [run], list_runs(workspace)) == ([], [])


def test_the_disk_is_that_of_weights_and_of_what_is_needed_to_go_on(small_pair):
    recipe = SMALL.resolve()
    cohort, plan = make_split(recipe, small_pair[0])
    found = forecast(recipe, cohort, plan, small_pair[0])
    parameters = sum(p.numel() for p in create_model("alexnet_gap").parameters())
    assert count_parameters(recipe, 10) == parameters
    assert (found.kept_bytes, found.disk_bytes) == (4 * parameters, 7 * 4 * parameters)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 16_384}, "This training needs at least "),
        ({"size": 4096, "batch_size": 512}, "This training needs at least "),
        ({"epochs": 10_000}, "This training would take at least "),
    ],
)
def test_what_no_machine_can_train_is_refused_in_one_line(monkeypatch, change, message):
    monkeypatch.setattr(memory, "available_bytes", lambda device: 16 * 10**9)
    config = replace(SMALL, **{"size": 512, "level": "all"} | change).resolve()
    needed = memory.demand(config, 10, 1000)
    with pytest.raises(RequestError) as refused:
        memory.require_resources(config, needed, 50_000_000, ["cpu"], None)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)
    assert ("--batch-size (now" in str(refused.value)) is ("batch_size" in change)


def test_what_was_trained_before_needs_no_more_than_a_laptop():
    for model in ("resnet1d", "alexnet_m_se_gap"):
        config = TrainConfig("c", model, **recipe_settings("strong", model)).resolve()
        assert 0.6e9 < memory.demand(config, 10, 1000).memory_bytes < 4e9


def test_memory_is_what_a_container_leaves(monkeypatch, tmp_path):
    for name, text in (("max", "3000"), ("current", "1000")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "_CGROUP", ((tmp_path / "max", tmp_path / "current"),))
    assert memory.available_bytes("cpu") == 2000
    (tmp_path / "max").write_text("max\n")
    assert memory.available_bytes("cpu") > 10**8


def test_the_expected_interval_is_about_what_an_evaluation_gives():
    table = predictions(n=400, mode="exclusive", records_a_patient=(1, 1), skill=2.3)
    span = evaluate(table, CODES, "exclusive", resamples=400).as_json()["intervals"]["accuracy"]
    foreseen = expected_interval(span["value"], 400)
    assert foreseen["low"] == pytest.approx(span["low"], abs=0.004)
    assert foreseen["high"] == pytest.approx(span["high"], abs=0.004)


def test_patients_and_not_records_make_an_interval_narrow(examples_home):
    recipe = replace(SMALL, level="100").resolve()
    cohort, plan = make_split(recipe, examples_home)
    found = expected_intervals(cohort, plan)
    assert set(found) == {"test", "holdout"}
    rows = cohort.index.iloc[plan.rows[plan.part == "test"]]
    assert found["test"]["patients"] == rows["patient"].nunique() == found["test"]["records"]
    assert found["test"]["low"] < 0.8 < found["test"]["high"]
    index = cohort.index.assign(patient="p1")
    one = expected_intervals(_With(index), plan)["test"]
    assert (one["patients"], one["records"]) == (1, found["test"]["records"])
    assert one["low"] < found["test"]["low"]


class _With(Cohort):
    """A cohort that is nothing but its index."""

    def __init__(self, index):
        object.__setattr__(self, "_index", index)

    @property
    def index(self):
        return self._index
