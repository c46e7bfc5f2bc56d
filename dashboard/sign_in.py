"""Access control: this machine only or, once sign-in is configured, the people on a list.

OIDC establishes who somebody is (``st.login``, ``[auth]`` in secrets.toml); ``[auth] allowed``
lists who has access. Without ``[auth]`` only a browser on this machine is served. See
docs/sign-in.md.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

import streamlit as st
from starlette.exceptions import HTTPException
from streamlit.runtime.scriptrunner import get_script_run_ctx

MAX_SESSIONS = 10_000
_RETURN = st.components.v2.component(
    "return_to",
    js="""
    export default function ({ data }) {
      const here = location.pathname + location.search
      if (!data.admitted) { sessionStorage.setItem("return_to", here); return }
      const target = sessionStorage.getItem("return_to")
      sessionStorage.removeItem("return_to")
      const isLocal = target && target.startsWith("/") && !target.startsWith("//")
      if (isLocal && target !== here) location.replace(target)
    }
    """,
)
_admitted: dict[str, None] = {}


def auth_settings() -> Mapping[str, Any] | None:
    """Return the ``[auth]`` section of secrets.toml, or None without one."""
    return st.secrets["auth"] if st.secrets.load_if_toml_exists() and "auth" in st.secrets else None


def refusal() -> str | None:
    """Return in one line why this visitor has no access, or None with access.

    ``""`` means that the visitor has not signed in yet.
    """
    auth = auth_settings()
    if auth is None:
        return _local_only_refusal(st.get_option("server.address"), st.context.headers.get("Host"))
    guard_uploads()
    if not st.user.get("is_logged_in"):
        return ""
    if is_allowed(st.user.to_dict(), auth.get("allowed", ())):
        _admit_session()
        return None
    return (
        "You are signed in, but your address is not on this workplace's list. Ask its "
        "administrator to add it."
    )


def is_allowed(user: Mapping[str, Any], allowed: Any) -> bool:
    """Return True if a signed-in person's verified e-mail address is on the list."""
    listed = {str(address).strip().casefold() for address in allowed} - {""}
    address = str(user.get("email") or "").strip().casefold()
    return user.get("email_verified") is True and address in listed


def show_refusal(refusal: str) -> None:
    """Show why there is no access, with a button to sign in or out, and nothing else."""
    st.title("ECG workplace", anchor=False)
    if auth_settings() is None:
        st.error(refusal)
        return
    if not refusal:
        _RETURN(key="sign_in_asked", data={"admitted": False})
        st.write("Sign in to continue.")
        st.button("Sign in", type="primary", key="sign_in", on_click=st.login)
        return
    st.error(refusal)
    st.button("Sign out", key="sign_in_out", on_click=st.logout)


def show_user() -> None:
    """Show who is signed in, with a button to sign out; return to the page requested first."""
    if auth_settings() is None:
        return
    _RETURN(key="sign_in_back", data={"admitted": True})
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        st.caption(f"Signed in as {st.user.get('email')}.")
        st.button("Sign out", key="sign_out", type="tertiary", on_click=st.logout)


def guard_uploads() -> None:
    """Accept uploads from admitted sessions only.

    Streamlit accepts files for every open session, even where no page offers an upload.
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


def _admit_session() -> None:
    """Mark this session as admitted; beyond ``MAX_SESSIONS`` the oldest is dropped."""
    if context := get_script_run_ctx():
        _admitted[context.session_id] = None
        while len(_admitted) > MAX_SESSIONS:
            _admitted.pop(next(iter(_admitted)))


def _local_only_refusal(address: str | None, host: str | None) -> str | None:
    """Return why a server without sign-in serves nobody, or None for a browser on this machine."""
    if is_local(address) and (host is None or is_local(host_name(host))):
        return None
    where = f"on {address or 'all addresses'}" if not is_local(address) else f"as {host}"
    return (
        f"This workplace can be reached {where} without sign-in, so it shows nothing. Start it "
        "with --server.address 127.0.0.1 and open http://127.0.0.1, or configure [auth] in "
        ".streamlit/secrets.toml (docs/sign-in.md)."
    )


def host_name(host: str) -> str:
    """Return a Host header without its port."""
    name, _, port = host.rpartition(":")
    return name if name and port.isdigit() else host


def is_local(address: str | None) -> bool:
    """Return True if an address or name means this machine only."""
    if not address:
        return False
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"
