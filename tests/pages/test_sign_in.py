"""Access: this machine only without sign-in; with it, the people on the list only."""

import pytest
import streamlit as st
from reading import labels, words

from dashboard import sign_in

PERSON = {"is_logged_in": True, "email": "Ada@Example.org", "email_verified": True}


@pytest.mark.parametrize(
    ("changes", "allowed", "is_allowed"),
    [
        ({}, ["ada@example.org"], True),
        ({"email": "ada@example.org"}, [" ADA@example.ORG "], True),
        ({}, [], False),
        ({}, ["ada@example.org.evil.net"], False),
        ({}, ["@example.org"], False),
        ({"email_verified": False}, ["ada@example.org"], False),
        ({"email_verified": "true"}, ["ada@example.org"], False),
        ({"email_verified": None}, ["ada@example.org"], False),
        ({"email": ""}, [""], False),
        ({"email": None}, ["None"], False),
    ],
)
def test_a_verified_address_on_the_list_is_allowed_and_no_other(changes, allowed, is_allowed):
    assert sign_in.is_allowed(PERSON | changes, allowed) is is_allowed


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.5", "::1", "[::1]", "localhost"])
def test_addresses_of_this_machine(address):
    assert sign_in.is_local(address)


@pytest.mark.parametrize("address", [None, "", "0.0.0.0", "::", "10.0.0.5", "localhost.evil.net"])
def test_other_addresses(address):
    assert not sign_in.is_local(address)


@pytest.mark.parametrize("page", ["overview", "browse", "train", "compare", "classify", "saliency"])
def test_an_open_server_without_sign_in_shows_one_line(open_page, workspace, monkeypatch, page):
    option = st.get_option
    options = {"server.address": "0.0.0.0"}
    monkeypatch.setattr(st, "get_option", lambda name: options.get(name) or option(name))
    app = open_page(page)
    assert [e.value for e in app.error] == [
        "This workplace can be reached on 0.0.0.0 without sign-in, so it shows nothing. Start it "
        "with --server.address 127.0.0.1 and open http://127.0.0.1, or configure [auth] in "
        ".streamlit/secrets.toml (docs/sign-in.md)."
    ]
    assert labels(app) == []
    assert page.capitalize() not in words(app)
