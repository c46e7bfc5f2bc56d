"""Visitor without a browser: talks to a running dashboard as a browser does.

Messages of streamlit.proto over the websocket, files by PUT. It takes a tenth of a browser's work,
so that twenty visitors measure the server. It knows nothing about the pages.

    visitor = Visitor("http://127.0.0.1:8501")
    visitor.open("classify")
    visitor.upload("classify_files", {"a.csv": content})
    print(visitor.text())
    visitor.leave()
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

import requests
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Common_pb2 import FileURLs, UploadedFileInfo
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection, connect

Condition = Callable[["Visitor"], bool]
_MARK_UP = re.compile(r"\*\*|`")


class Visitor:
    """One session, with the elements of its page by position (current run only)."""

    def __init__(self, address: str, timeout_s: float = 120) -> None:
        self.address, self.timeout_s = address, timeout_s
        self._http = requests.Session()
        self._http.get(f"{address}/_stcore/health", timeout=timeout_s).raise_for_status()
        self._xsrf = self._http.cookies.get("_streamlit_xsrf", "")
        self._open = ExitStack()
        self._socket = self._connect()
        self._elements: dict[tuple[int, ...], Element] = {}
        self._running = False
        self._session, self._page, self._query = "", "", ""
        self._pages: dict[str, str] = {}
        self._values: dict[str, WidgetState] = {}

    def _connect(self) -> ClientConnection:
        cookies = "; ".join(f"{name}={value}" for name, value in self._http.cookies.items())
        connection = connect(
            f"{self.address.replace('http', 'ws', 1)}/_stcore/stream",
            origin=self.address,  # type: ignore[arg-type]
            subprotocols=["streamlit", self._xsrf],  # type: ignore[list-item]
            additional_headers={"Cookie": cookies},
            max_size=None,
            compression=None,
        )
        return self._open.enter_context(connection)

    def open(self, page: str = "", until: Condition | None = None, **query: str) -> None:
        """Open a page by its name in the URL, and wait until it has loaded."""
        self._query, self._values = urlencode(query), {}
        self._page = self._pages.get(page, "")
        self._rerun(page_name="" if self._page else page)
        self.wait(until)

    def set(self, key: str, until: Condition | None = None, **value: Any) -> None:
        """Set a widget's value, such as ``string_value="x"`` (a field of WidgetState)."""
        state = WidgetState(id=self.widget(key).id, **value)
        trigger = "trigger_value" in value
        if not trigger:
            self._values[state.id] = state
        self._rerun(trigger=state if trigger else None)
        self.wait(until)

    def press(self, key: str, until: Condition | None = None) -> None:
        """Press a button."""
        self.set(key, until, trigger_value=True)

    def upload(self, key: str, files: Mapping[str, bytes], until: Condition | None = None) -> None:
        """Replace a file uploader's files."""
        state = WidgetState(id=self.widget(key).id)
        uploaded = state.file_uploader_state_value.uploaded_file_info
        for urls, (name, content) in zip(self.upload_urls(list(files)), files.items(), strict=True):
            self.put(urls, name, content).raise_for_status()
            uploaded.append(
                UploadedFileInfo(name=name, size=len(content), file_id=urls.file_id, file_urls=urls)
            )
        self._values[state.id] = state
        self._rerun()
        self.wait(until)

    def put(self, urls: FileURLs, name: str, content: bytes) -> requests.Response:
        """Send a file to its upload URL."""
        return requests.put(  # not on a connection that the server may be closing
            self.address + urls.upload_url,
            cookies=self._http.cookies,
            files={name: (name, content)},
            headers={"X-Xsrftoken": self._xsrf, "Origin": self.address},
            timeout=self.timeout_s,
        )

    def upload_urls(self, names: list[str]) -> list[FileURLs]:
        """Return the server's upload URLs, one per file name."""
        request = BackMsg()
        request.file_urls_request.request_id = "1"
        request.file_urls_request.session_id = self._session
        request.file_urls_request.file_names.extend(names)
        self._send(request)
        for message in self._messages():
            if message.WhichOneof("type") == "file_urls_response":
                return list(message.file_urls_response.file_urls)
        raise TimeoutError("the server returned no upload URLs")

    def _rerun(self, trigger: WidgetState | None = None, page_name: str = "") -> None:
        state = ClientState(
            query_string=self._query, page_script_hash=self._page, page_name=page_name
        )
        state.widget_states.widgets.extend(self._values.values())
        if trigger is not None:
            state.widget_states.widgets.append(trigger)
        state.context_info.url = f"{self.address}/{page_name}"
        self._running = False  # messages of an earlier run are ignored
        state.context_info.color_scheme = "light"
        self._send(BackMsg(rerun_script=state))

    def _send(self, message: BackMsg) -> None:
        self._socket.send(message.SerializeToString())

    def wait(self, until: Condition | None = None) -> None:
        """Wait until the page's script has finished, or until a condition holds."""
        for message in self._messages():
            if not self._running:
                continue
            done = message.WhichOneof("type") == "script_finished"
            early = ForwardMsg.FINISHED_EARLY_FOR_RERUN
            if until(self) if until else done and message.script_finished != early:
                return
        raise TimeoutError(
            f"no answer within {self.timeout_s:g} s; the page shows: {self.text()[:300]}"
        )

    def _messages(self) -> Iterator[ForwardMsg]:
        end_s = time.monotonic() + self.timeout_s
        while (left_s := end_s - time.monotonic()) > 0:
            message = ForwardMsg.FromString(self._socket.recv(timeout=left_s))  # type: ignore[arg-type]
            self._process(message)
            yield message

    def _process(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._running, self._elements = True, {}
            self._session = message.new_session.initialize.session_id or self._session
        elif kind == "navigation":
            pages = message.navigation.app_pages
            self._pages = {p.url_pathname: p.page_script_hash for p in pages}
            self._page = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._elements[tuple(message.metadata.delta_path)] = message.delta.new_element

    def elements(self, kind: str) -> list[Any]:
        """Return the page's elements of a kind (a field of Element), from top to bottom."""
        elements = [element for _, element in sorted(self._elements.items(), key=lambda e: e[0])]
        return [getattr(e, kind) for e in elements if e.WhichOneof("type") == kind]

    def widget(self, key: str) -> Any:
        """Return the widget of a key."""
        for element in self._elements.values():
            widget = getattr(element, str(element.WhichOneof("type")))
            name = getattr(widget, "id", "").rpartition("-")[2]
            if name == key or re.fullmatch(rf"{key}_[0-9a-f]{{8}}", name):  # an uploader's server
                return widget
        raise LookupError(f"the page has no widget {key}; the page shows: {self.text()[:300]}")

    def text(self) -> str:
        """Return the page's text, one line per element."""
        kinds = ("heading", "markdown", "alert", "text")
        return "\n".join(_MARK_UP.sub("", e.body) for kind in kinds for e in self.elements(kind))

    def errors(self) -> list[str]:
        """Return the errors that the page shows, including exceptions."""
        alerts = [a.body for a in self.elements("alert") if a.format == a.ERROR]
        return alerts + [f"{e.type}: {e.message}" for e in self.elements("exception")]

    def leave(self) -> None:
        """Close the tab."""
        self._open.close()
        self._http.close()
