"""Training in a browser: it goes on without the tab and without the server, and can be stopped."""

import re
import shutil
import time

import pytest
from serving import serving

from ecgcore.home import Home
from ecgcore.training.run import ALIVE, list_runs

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=180_000)

EPOCHS = 14  # of 42 records: enough to see the curves move, and to be at work still afterwards
TRAINED_MS = 900_000  # both take some ten seconds on two free cores
BOTH = ("alexnet_gap", "alexnet_m_se_gap")
SMALL = "train?cohort=examples&train_level=own&train_records=60&train_size=96&train_epochs={}"


@pytest.fixture
def home(tmp_path, examples_home):
    """Return a home with the example cohort; no training in it outlives the test."""
    home = Home(tmp_path / "home")
    shutil.copytree(examples_home.cohorts, home.cohorts)
    yield home
    for run in list_runs(home):
        if run.status["state"] in ALIVE:
            run.cancel()
    wait_until(lambda: not any(run.status["state"] in ALIVE for run in list_runs(home)))


@pytest.fixture
def server(home, tmp_path, request):
    """Return (address, home) of a server that the test may stop and start anew."""
    with serving(home.path, tmp_path / "log") as address:
        yield address, home.path


def wait_until(holds, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "It did not happen."
        time.sleep(0.1)


def asked_for(epochs: int, *networks: str) -> str:
    """Return the address of the page with these settings."""
    return SMALL.format(epochs) + "".join(f"&train_networks={name}" for name in networks)


def points_of(tab) -> int:
    """Return how many points the curves have."""
    return tab.locator(".st-key-train_curves .point").count()


def test_both_train_to_their_end_while_the_tab_is_closed_and_the_server_restarted(
    browser, home, tmp_path
):
    errors: list[str] = []

    def opened(address: str, page: str):
        tab = browser.new_page(viewport={"width": 1280, "height": 1000})
        tab.set_default_timeout(180_000)
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(f"{address}/{page}")
        return tab

    with serving(home.path, tmp_path / "first.log") as address:
        tab = opened(address, asked_for(EPOCHS, *BOTH))
        expect(tab.get_by_text("No patient and no recording on two sides: checked")).to_be_visible()
        tab.get_by_role("button", name="Train both").click()
        expect(tab.get_by_text("Training now")).to_be_visible()
        expect(tab.get_by_text("place 2 in the queue")).to_be_visible()
        tab.wait_for_function("document.querySelectorAll('.st-key-train_curves .point').length > 0")
        before = points_of(tab)
        tab.wait_for_function(
            f"document.querySelectorAll('.st-key-train_curves .point').length > {before}"
        )
        tab.close()
        a, b = sorted(list_runs(home), key=lambda run: BOTH.index(run.meta["model"]))
        workers = [run.status["pid"] for run in (a, b)]
    assert b.status["state"] in ALIVE  # the server is gone, its trainings are not
    done = len(a.history) + len(b.history)
    wait_until(lambda: len(a.history) + len(b.history) > done or b.status["state"] == "done")
    with serving(home.path, tmp_path / "second.log") as address:
        tab = opened(address, "train")
        expect(tab.get_by_text(f"done · epoch {EPOCHS} of {EPOCHS}")).to_have_count(
            2, timeout=TRAINED_MS
        )
        expect(tab.get_by_text("Last trained")).to_be_visible()
        link = tab.get_by_role("link", name="Compare these two")
        expect(link).to_have_attribute("href", re.compile(f"a={a.id}&b={b.id}"))
        expect(tab.get_by_test_id("stException")).to_have_count(0)
    assert [run.status["pid"] for run in (a, b)] == workers  # nobody began anew
    assert errors == []


def test_a_training_is_stopped_once_it_is_said_what_is_kept_and_goes_on(open_tab, home):
    tab = open_tab(asked_for(400, BOTH[0]))
    tab.get_by_role("button", name="Train it").click()
    expect(tab.get_by_text(re.compile("running · epoch [1-9]"))).to_be_visible()
    tab.get_by_role("button", name="Cancel").click()
    expect(tab.get_by_text("The best epoch so far is kept")).to_be_visible()
    tab.get_by_role("button", name="Stop this training").click()
    expect(tab.get_by_text("· cancelled · epoch")).to_be_visible()
    (run,) = list_runs(home)
    assert run.weights.exists()
    done = len(run.history)
    tab.get_by_role("button", name="Resume", exact=True).click()
    expect(tab.get_by_text("Training now")).to_be_visible()
    wait_until(lambda: len(run.history) > done)
    assert run.history["epoch"].tolist() == list(range(1, len(run.history) + 1))
    expect(tab.get_by_test_id("stException")).to_have_count(0)
