"""Browser test of sign-in with a local OIDC provider: only people on the list have access."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from serving import free_port, serving, wait_for

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api").expect
PEOPLE = {
    "ada": {"sub": "ada", "email": "Ada@example.org", "email_verified": True},
    "eve": {"sub": "eve", "email": "eve@example.org", "email_verified": True},
    "bob": {"sub": "bob", "email": "ada@example.org", "email_verified": False},
}
SECRETS = """
[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "only for this test, only on this machine"
client_id = "dashboard"
client_secret = "only for this test"
server_metadata_url = "http://127.0.0.1:{provider}/.well-known/openid-configuration"
allowed = ["ada@EXAMPLE.org"]
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[int]:
    """Return the port of a running OIDC provider that knows PEOPLE."""
    port = free_port()
    people = [part for p in PEOPLE.values() for part in ("--user-claims", json.dumps(p))]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), *people],
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/.well-known/openid-configuration", process)
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def address(provider: int, examples_home, tmp_path_factory) -> Iterator[str]:
    """Return the address of a dashboard that uses the provider."""
    folder, port = tmp_path_factory.mktemp("sign_in"), free_port()
    secrets = folder / "secrets.toml"
    secrets.write_text(SECRETS.format(port=port, provider=provider))
    options = ("--secrets.files", str(secrets))
    with serving(examples_home.path, folder / "server.log", *options, port=port) as url:
        yield url


@pytest.fixture
def tab(browser):
    """Return a tab without cookies."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    opened = context.new_page()
    opened.set_default_timeout(120_000)
    expect.set_options(timeout=120_000)
    yield opened
    context.close()


def sign_in_as(tab, who: str) -> None:
    tab.get_by_role("button", name="Sign in").click()
    tab.get_by_role("textbox").fill(who)
    tab.get_by_role("button", name="Authorize").click()


def links(tab) -> list[str]:
    """Return the links' texts, except for the one that every page of Streamlit starts with."""
    texts = tab.get_by_role("link").all_inner_texts()
    return [text for text in texts if text.strip() not in ("", "Skip to main content")]


def sign_out(tab) -> None:
    """Sign out of the dashboard and at the provider, which redirects back."""
    tab.get_by_role("button", name="Sign out").click()
    tab.get_by_role("button", name="End session").click()
    expect(tab.get_by_role("button", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("page", ["", "browse?cohort=examples", "classify?classify_example=LBBB"])
def test_an_anonymous_visitor_sees_a_button_and_nothing_else(tab, address, page):
    tab.goto(f"{address}/{page}")
    expect(tab.get_by_role("button", name="Sign in")).to_be_visible()
    assert links(tab) == []
    assert tab.get_by_test_id("stMain").inner_text().split("\n")[0] == "ECG workplace"
    assert "examples" not in tab.get_by_test_id("stMain").inner_text()


def test_the_server_accepts_no_file_of_an_anonymous_visitor(address):
    from visitor import Visitor

    visitor = Visitor(address)
    visitor.open("classify")
    [urls] = visitor.upload_urls(["a.csv"])
    assert visitor.put(urls, "a.csv", b"1,2,3").status_code == 403
    visitor.leave()


@pytest.mark.parametrize("who", ["eve", "bob"])
def test_a_person_not_on_the_list_sees_one_line_and_can_sign_out(tab, address, who):
    tab.goto(f"{address}/browse?cohort=examples")
    sign_in_as(tab, who)
    expect(tab.get_by_text("your address is not on this workplace's list")).to_be_visible()
    assert links(tab) == []
    assert "160 of 160" not in tab.get_by_test_id("stMain").inner_text()
    sign_out(tab)


def test_a_person_on_the_list_returns_to_the_requested_page_and_can_sign_out(tab, address):
    tab.goto(f"{address}/browse?cohort=examples&record=00530_lr")
    sign_in_as(tab, "ada")
    expect(tab.get_by_text("Signed in as Ada@example.org.")).to_be_visible()
    expect(tab.get_by_role("img", name="Twelve-lead ECG of record 00530_lr")).to_be_visible()
    sign_out(tab)
    tab.goto(f"{address}/browse")
    expect(tab.get_by_role("button", name="Sign in")).to_be_visible()


def test_no_file_contains_who_signed_in(address, examples_home):
    files = []
    for file in Path(examples_home.path).rglob("*.json*"):
        with suppress(FileNotFoundError):  # a training may just have ended
            files += [file] if "ada@" in file.read_text().lower() else []
    assert files == []
