"""A visitor without a browser: speaks to a running dashboard as its page in a browser does.

Messages of streamlit.proto over the websocket, files by PUT. A tenth of a browser's work, so that
twenty visitors measure the server. Knows nothing of the pages.

    visitor = Visitor("http://127.0.0.1:8501")
    visitor.open("classify")
    visitor.upload("classify_files", {"a.csv": content})
    print(visitor.said())
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

Told = Callable[["Visitor"], bool]
_MARK_UP = re.compile(r"\*\*|`")


class Visitor:
    """One session. It holds the elements of its page by place; those of the current run alone."""

    def __init__(self, address: str, patience_s: float = 120) -> None:
        self.address, self.patience_s = address, patience_s
        self._http = requests.Session()
        self._http.get(f"{address}/_stcore/health", timeout=patience_s).raise_for_status()
        self._xsrf = self._http.cookies.get("_streamlit_xsrf", "")
        self._open = ExitStack()
        self._socket = self._connected()
        self._shown: dict[tuple[int, ...], Element] = {}  # of the current run alone
        self._running = False
        self._session, self._page, self._query = "", "", ""
        self._pages: dict[str, str] = {}
        self._values: dict[str, WidgetState] = {}

    def _connected(self) -> ClientConnection:
        cookies = "; ".join(f"{name}={value}" for name, value in self._http.cookies.items())
        asked = connect(
            f"{self.address.replace('http', 'ws', 1)}/_stcore/stream",
            origin=self.address,  # type: ignore[arg-type]
            subprotocols=["streamlit", self._xsrf],  # type: ignore[list-item]
            additional_headers={"Cookie": cookies},
            max_size=None,
            compression=None,
        )
        return self._open.enter_context(asked)

    def open(self, page: str = "", until: Told | None = None, **looked_at: str) -> None:
        """Open a page (its name in the URL), or go to it, and wait until it is there."""
        self._query, self._values = urlencode(looked_at), {}
        self._page = self._pages.get(page, "")
        self._rerun(page_name="" if self._page else page)
        self.wait(until)

    def set(self, key: str, until: Told | None = None, **value: Any) -> None:
        """Give a widget a value, such as ``string_value="x"`` (the fields of WidgetState)."""
        state = WidgetState(id=self.widget(key).id, **value)
        fleeting = "trigger_value" in value
        if not fleeting:
            self._values[state.id] = state
        self._rerun(fleeting=state if fleeting else None)
        self.wait(until)

    def press(self, key: str, until: Told | None = None) -> None:
        """Press a button."""
        self.set(key, until, trigger_value=True)

    def upload(self, key: str, files: Mapping[str, bytes], until: Told | None = None) -> None:
        """Give a file uploader these files, and no others."""
        state = WidgetState(id=self.widget(key).id)
        told = state.file_uploader_state_value.uploaded_file_info
        for urls, (name, content) in zip(self.places(list(files)), files.items(), strict=True):
            self.put(urls, name, content).raise_for_status()
            told.append(
                UploadedFileInfo(name=name, size=len(content), file_id=urls.file_id, file_urls=urls)
            )
        self._values[state.id] = state
        self._rerun()
        self.wait(until)

    def put(self, urls: FileURLs, name: str, content: bytes) -> requests.Response:
        """Send a file to the place that the server gave it."""
        return requests.put(  # not on a connection that the server may be closing
            self.address + urls.upload_url,
            cookies=self._http.cookies,
            files={name: (name, content)},
            headers={"X-Xsrftoken": self._xsrf, "Origin": self.address},
            timeout=self.patience_s,
        )

    def places(self, names: list[str]) -> list[FileURLs]:
        """Return where the server wants files put, one a name."""
        ask = BackMsg()
        ask.file_urls_request.request_id = "1"
        ask.file_urls_request.session_id = self._session
        ask.file_urls_request.file_names.extend(names)
        self._send(ask)
        for message in self._messages():
            if message.WhichOneof("type") == "file_urls_response":
                return list(message.file_urls_response.file_urls)
        raise TimeoutError("the server gave no place for the files")

    def _rerun(self, fleeting: WidgetState | None = None, page_name: str = "") -> None:
        state = ClientState(
            query_string=self._query, page_script_hash=self._page, page_name=page_name
        )
        state.widget_states.widgets.extend(self._values.values())
        if fleeting is not None:
            state.widget_states.widgets.append(fleeting)
        state.context_info.url = f"{self.address}/{page_name}"
        self._running = False  # what still comes of an earlier run is not looked at
        state.context_info.color_scheme = "light"
        self._send(BackMsg(rerun_script=state))

    def _send(self, message: BackMsg) -> None:
        self._socket.send(message.SerializeToString())

    def wait(self, until: Told | None = None) -> None:
        """Wait until the page's script has finished, or says what is waited for."""
        for message in self._messages():
            if not self._running:
                continue
            done = message.WhichOneof("type") == "script_finished"
            early = ForwardMsg.FINISHED_EARLY_FOR_RERUN
            if until(self) if until else done and message.script_finished != early:
                return
        raise TimeoutError(f"no answer within {self.patience_s:g} s; shown is: {self.said()[:300]}")

    def _messages(self) -> Iterator[ForwardMsg]:
        ends = time.monotonic() + self.patience_s
        while (left := ends - time.monotonic()) > 0:
            message = ForwardMsg.FromString(self._socket.recv(timeout=left))  # type: ignore[arg-type]
            self._take(message)
            yield message

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._running, self._shown = True, {}
            self._session = message.new_session.initialize.session_id or self._session
        elif kind == "navigation":
            pages = message.navigation.app_pages
            self._pages = {p.url_pathname: p.page_script_hash for p in pages}
            self._page = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._shown[tuple(message.metadata.delta_path)] = message.delta.new_element

    def elements(self, kind: str) -> list[Any]:
        """Return the page's elements of a kind (a field of Element), from the top."""
        shown = [element for _, element in sorted(self._shown.items(), key=lambda e: e[0])]
        return [getattr(e, kind) for e in shown if e.WhichOneof("type") == kind]

    def widget(self, key: str) -> Any:
        """Return the widget of a key."""
        for element in self._shown.values():
            found = getattr(element, str(element.WhichOneof("type")))
            if getattr(found, "id", "").endswith(f"-{key}"):
                return found
        raise LookupError(f"the page has no widget {key}; shown is: {self.said()[:300]}")

    def said(self) -> str:
        """Return what the page says in words, a line an element."""
        kinds = ("heading", "markdown", "alert", "text")
        return "\n".join(_MARK_UP.sub("", e.body) for kind in kinds for e in self.elements(kind))

    def errors(self) -> list[str]:
        """Return what the page shows as errors, exceptions among them."""
        alerts = [a.body for a in self.elements("alert") if a.format == a.ERROR]
        return alerts + [f"{e.type}: {e.message}" for e in self.elements("exception")]

    def leave(self) -> None:
        """Close the tab."""
        self._open.close()
        self._http.close()
