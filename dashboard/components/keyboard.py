"""Keys of a page that no button has: 1 to 9 and 0 for the classes, ``?`` for help.

Streamlit's buttons take shortcuts, but ``?`` is none of theirs, and ten buttons for ten classes
would stand beside the filter that does the same. Typing into a field presses none of these keys.
"""

from collections.abc import Callable

import streamlit as st

_JS = """
const typing = (target) =>
  target && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

export default function ({ data, setTriggerValue }) {
  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (typing(event.composedPath()[0]) || !data.keys.includes(event.key)) return;
    setTriggerValue("pressed", event.key);
  };
  document.addEventListener("keydown", pressed);
  return () => document.removeEventListener("keydown", pressed);
}
"""
_listener = st.components.v2.component("page_keys", js=_JS)


def listen(key: str, keys: str, on_press: Callable[[str], None]) -> None:
    """Call ``on_press`` with one of ``keys`` when the visitor presses it."""

    def pressed() -> None:
        on_press(st.session_state[key].pressed)

    _listener(key=key, data={"keys": list(keys)}, height=1, on_pressed_change=pressed)
