"""Who may see anything: this machine alone, or, once sign-in is configured, those on a list.

OIDC says who somebody is (``st.login``, ``[auth]`` in secrets.toml); ``[auth] allowed`` says who
may. Without ``[auth]`` only a browser on this machine is answered. See docs/sign-in.md.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

import streamlit as st
from starlette.exceptions import HTTPException
from streamlit.runtime.scriptrunner import get_script_run_ctx

MOST_SESSIONS = 10_000
_BACK = st.components.v2.component(
    "asked_for",
    js="""
    export default function ({ data }) {
      const here = location.pathname + location.search
      if (!data.admitted) { sessionStorage.setItem("asked_for", here); return }
      const asked = sessionStorage.getItem("asked_for")
      sessionStorage.removeItem("asked_for")
      const ours = asked && asked.startsWith("/") && !asked.startsWith("//")
      if (ours && asked !== here) location.replace(asked)
    }
    """,
)
_admitted: dict[str, None] = {}


def configured() -> Mapping[str, Any] | None:
    """Return the section ``[auth]`` of secrets.toml, None where there is none."""
    return st.secrets["auth"] if st.secrets.load_if_toml_exists() and "auth" in st.secrets else None


def why_not() -> str | None:
    """Return in one line why this visitor sees nothing; None: he is admitted.

    ``""`` means that he has not signed in yet.
    """
    auth = configured()
    if auth is None:
        return _only_here(st.get_option("server.address"), st.context.headers.get("Host"))
    guard_uploads()
    if not st.user.get("is_logged_in"):
        return ""
    if is_allowed(st.user.to_dict(), auth.get("allowed", ())):
        _remember()
        return None
    return (
        "You are signed in, but your address is not on this workplace's list. Ask whoever runs it "
        "to add it."
    )


def is_allowed(user: Mapping[str, Any], allowed: Any) -> bool:
    """Return whether a signed-in person's verified e-mail address stands on the list."""
    listed = {str(address).strip().casefold() for address in allowed} - {""}
    address = str(user.get("email") or "").strip().casefold()
    return user.get("email_verified") is True and address in listed


def ask(why: str) -> None:
    """Show why nothing is shown, and let the visitor sign in, or out again; nothing else."""
    st.title("ECG workplace", anchor=False)
    if configured() is None:
        st.error(why)
        return
    if not why:
        _BACK(key="sign_in_asked", data={"admitted": False})
        st.write("Sign in to go on.")
        st.button("Sign in", type="primary", key="sign_in", on_click=st.login)
        return
    st.error(why)
    st.button("Sign out", key="sign_in_out", on_click=st.logout)


def show_who() -> None:
    """Let a signed-in visitor see that he is, and sign out; bring him to the page he asked for."""
    if configured() is None:
        return
    _BACK(key="sign_in_back", data={"admitted": True})
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        st.caption(f"Signed in as {st.user.get('email')}.")
        st.button("Sign out", key="sign_out", type="tertiary", on_click=st.logout)


def guard_uploads() -> None:
    """Let the server hold files for admitted sessions alone, whoever else knows how to send some.

    Streamlit takes files for every open session, also where no page offers to.
    """
    if not st.runtime.exists():
        return
    manager: Any = st.runtime.get_instance().uploaded_file_mgr
    if getattr(manager, "for_admitted", False):
        return
    add = manager.add_file

    def add_file(session_id: str, file: Any) -> None:
        if session_id not in _admitted:
            raise HTTPException(403, "Sign in first.")
        add(session_id, file)

    manager.add_file, manager.for_admitted = add_file, True


def _remember() -> None:
    """Note that this session is admitted; of very many the oldest is forgotten."""
    if context := get_script_run_ctx():
        _admitted[context.session_id] = None
        while len(_admitted) > MOST_SESSIONS:
            _admitted.pop(next(iter(_admitted)))


def _only_here(address: str | None, host: str | None) -> str | None:
    """Return why a server without sign-in answers nobody, None where it answers this machine."""
    if is_local(address) and (host is None or is_local(host_name(host))):
        return None
    where = f"on {address or 'all addresses'}" if not is_local(address) else f"as {host}"
    return (
        f"This workplace is reached {where} without sign-in, so it shows nothing. Start it with "
        "--server.address 127.0.0.1 and open http://127.0.0.1, or configure [auth] in "
        ".streamlit/secrets.toml (docs/sign-in.md)."
    )


def host_name(host: str) -> str:
    """Return a Host header without its port."""
    name, _, port = host.rpartition(":")
    return name if name and port.isdigit() else host


def is_local(address: str | None) -> bool:
    """Return whether an address or name means this machine alone."""
    if not address:
        return False
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"
