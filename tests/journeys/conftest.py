"""A real server on a free port with its own workspace, and a real browser that opens it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MS = 180_000  # a busy machine takes a minute for the first page, which imports torch
# Streamlit 1.67 requests these two below a page's own address first, and the browser logs it.
ALLOWED_404 = ("/_stcore/health", "/_stcore/host-config")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Return (address, workspace) of a running dashboard with an empty workspace."""
    with serving(tmp_path / "home", tmp_path / "server.log") as address:
        yield address, tmp_path / "home"


@pytest.fixture(scope="module")
def browser():
    """Return a Chromium that the tests of a module share; skip them without one."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield running
        running.close()


@pytest.fixture
def open_tab(browser, server):
    """Return a function that opens a page in a new tab of one visitor; console errors fail."""
    errors: list[str] = []
    visitor = browser.new_context(viewport={"width": 1280, "height": 1000})
    visitor.set_default_timeout(TIMEOUT_MS)
    visitor.on("console", lambda message: _record_error(message, errors))
    visitor.on("weberror", lambda error: errors.append(str(error.error)))

    def opened(page: str = ""):
        tab = visitor.new_page()
        tab.goto(f"{server[0]}/{page}")
        return tab

    yield opened
    visitor.close()
    assert not errors


def _record_error(message, errors: list[str]) -> None:
    if message.type == "error" and not message.location["url"].endswith(ALLOWED_404):
        errors.append(f"{message.text} ({message.location['url']})")
