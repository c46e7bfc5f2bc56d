"""Page keys without a button: 1 to 9 and 0 for the classes, ``?`` for help.

Streamlit's buttons accept shortcuts, but not ``?``, and ten class buttons would only repeat the
class filter. Keys typed into a field are ignored.
"""

from collections.abc import Callable

import streamlit as st

_JS = """
const isField = (target) =>
  target && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

export default function ({ data, setTriggerValue }) {
  const onKeyDown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (isField(event.composedPath()[0]) || !data.keys.includes(event.key)) return;
    setTriggerValue("pressed", event.key);
  };
  document.addEventListener("keydown", onKeyDown);
  return () => document.removeEventListener("keydown", onKeyDown);
}
"""
_listener = st.components.v2.component("page_keys", js=_JS)


def listen(key: str, keys: str, on_press: Callable[[str], None]) -> None:
    """Call ``on_press`` with one of ``keys`` when the visitor presses it."""

    def pressed() -> None:
        on_press(st.session_state[key].pressed)

    _listener(key=key, data={"keys": list(keys)}, height=1, on_pressed_change=pressed)
