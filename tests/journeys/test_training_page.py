"""Browser test of training: it continues without tab and server, and can be stopped and resumed."""

import re
import shutil
import time
from contextlib import ExitStack

import pytest
from serving import serving

from ecgcore.runs.run import ALIVE, list_runs
from ecgcore.workspace import Workspace

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=180_000)

EPOCHS = 14  # of 42 records: enough to see the curves move, and to be still running afterwards
TRAINED_MS = 900_000  # both take some ten seconds on two free cores
BOTH = ("alexnet_gap", "alexnet_m_se_gap")
POINTS = ".st-key-train_curves .point"
SMALL = "train?cohort=examples&train_level=own&train_records=60&train_size=96&train_epochs={}"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, examples_home):
    """Return a workspace with the example cohort; no training in it outlives the tests."""
    workspace = Workspace(tmp_path_factory.mktemp("training") / "home")
    shutil.copytree(examples_home.cohorts, workspace.cohorts)
    yield workspace
    for run in list_runs(workspace):
        if run.status["state"] in ALIVE:
            run.cancel()
    wait_until(lambda: not any(run.status["state"] in ALIVE for run in list_runs(workspace)))


class RestartableServer:
    """A server that can be stopped and restarted; indexed as (address, workspace)."""

    def __init__(self, workspace: Workspace):
        self.workspace, self.log = workspace.path, workspace.path.with_name("log")
        self.address = ""
        self.running = ExitStack()

    def __getitem__(self, index: int):
        return (self.address, self.workspace)[index]

    def start(self) -> None:
        self.address = self.running.enter_context(serving(self.workspace, self.log))

    def stop(self) -> None:
        self.running.close()


@pytest.fixture(scope="module")
def server(workspace):
    """Return a server that all tests of this module share, and may stop and restart."""
    server = RestartableServer(workspace)
    server.start()
    yield server
    server.stop()


def wait_until(condition, timeout_s: float = 180) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"The condition was not met within {timeout_s} s."
        time.sleep(0.1)


def train_url(epochs: int, *networks: str) -> str:
    """Return the URL of the page with these settings."""
    return SMALL.format(epochs) + "".join(f"&train_networks={name}" for name in networks)


def count_points(tab) -> int:
    """Return the number of points of the curves."""
    return tab.locator(POINTS).count()


def wait_for_points(tab, more_than: int) -> None:
    tab.wait_for_function(f"document.querySelectorAll('{POINTS}').length > {more_than}")


def test_both_trainings_finish_while_the_tab_is_closed_and_the_server_restarted(
    open_tab, server, workspace
):
    tab = open_tab(train_url(EPOCHS, *BOTH))
    expect(tab.get_by_text("No patient and no recording is in two parts")).to_be_visible()
    tab.get_by_role("button", name="Train both").click()
    expect(tab.get_by_text("Training now")).to_be_visible()
    expect(tab.get_by_text("position 2 in the queue")).to_be_visible()
    wait_for_points(tab, more_than=0)
    wait_for_points(tab, more_than=count_points(tab))
    tab.close()
    a, b = sorted(list_runs(workspace), key=lambda run: BOTH.index(run.meta["model"]))
    workers = [run.status["pid"] for run in (a, b)]
    server.stop()
    assert b.status["state"] in ALIVE  # the trainings outlive their server
    done = len(a.history) + len(b.history)
    wait_until(lambda: len(a.history) + len(b.history) > done or b.status["state"] == "done")
    server.start()
    tab = open_tab("train")
    ended = tab.get_by_text(f"done · epoch {EPOCHS} of {EPOCHS}")
    expect(ended).to_have_count(2, timeout=TRAINED_MS)
    expect(tab.get_by_text("Last trained")).to_be_visible()
    link = tab.get_by_role("link", name="Compare these two")
    expect(link).to_have_attribute("href", re.compile(f"a={a.id}&b={b.id}"))
    expect(tab.get_by_test_id("stException")).to_have_count(0)
    assert [run.status["pid"] for run in (a, b)] == workers  # no process was started again


def test_a_training_is_stopped_after_a_notice_and_resumed(open_tab, workspace):
    before = {run.id for run in list_runs(workspace)}
    tab = open_tab(train_url(400, BOTH[0]))
    tab.get_by_role("button", name="Train it").click()
    expect(tab.get_by_text(re.compile("running · epoch [1-9]"))).to_be_visible()
    tab.get_by_role("button", name="Cancel").click()
    expect(tab.get_by_text("The best epoch so far is kept")).to_be_visible()
    tab.get_by_role("button", name="Stop this training").click()
    expect(tab.get_by_text("· cancelled · epoch")).to_be_visible()
    (run,) = (run for run in list_runs(workspace) if run.id not in before)
    assert run.weights.exists()
    done = len(run.history)
    tab.get_by_role("button", name="Resume", exact=True).click()
    expect(tab.get_by_text("Training now")).to_be_visible()
    wait_until(lambda: len(run.history) > done)
    assert run.history["epoch"].tolist() == list(range(1, len(run.history) + 1))
    expect(tab.get_by_test_id("stException")).to_have_count(0)
