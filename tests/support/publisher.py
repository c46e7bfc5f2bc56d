"""A publisher on this machine: an HTTP server that can misbehave in every way a download meets."""

import hashlib
import json
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Publisher:
    """What is published, how it misbehaves, and what it was asked.

    Attributes
    ----------
    files
        Content by path.
    knows_range
        Whether it sends parts.
    drops, wrong, busy
        By path: how often to cut the connection in the middle, to send altered bytes, to answer
        503, before it behaves.
    asked
        (path, Range header or None) in order.
    """

    def __init__(self, files):
        self.files, self.knows_range = files, True
        self.drops, self.wrong, self.busy = Counter(), Counter(), Counter()
        self.asked, self.lock, self.url = [], threading.Lock(), ""

    def takes(self, misbehaviour, path):
        """Return whether to misbehave once more."""
        with self.lock:
            misbehaviour[path] -= 1
            return misbehaviour[path] >= 0


@contextmanager
def publishing(publisher):
    """Serve on a free port of this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            """Say nothing."""

        def do_GET(self):
            answer(publisher, self)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    publisher.url = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield publisher
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(publisher, request):
    """Answer one request, as well as the publisher behaves."""
    path, wanted = request.path.lstrip("/"), request.headers.get("Range")
    with publisher.lock:
        publisher.asked.append((path, wanted))
    if path not in publisher.files:
        return _say(request, 404)
    if publisher.takes(publisher.busy, path):
        return _say(request, 503)
    content = publisher.files[path]
    if publisher.takes(publisher.wrong, path):
        content = content[:-1] + bytes([content[-1] ^ 1])
    start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
    if not publisher.knows_range or not wanted:
        return _send(publisher, request, path, content, 200, {})
    if start >= len(content):
        return _say(request, 416)
    told = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
    return _send(publisher, request, path, content[start:], 206, told)


def _send(publisher, request, path, body, status, headers):
    request.send_response(status)
    for name, value in ({"Content-Length": str(len(body))} | headers).items():
        request.send_header(name, value)
    request.end_headers()
    if publisher.takes(publisher.drops, path):
        request.wfile.write(body[: len(body) // 2])
        request.close_connection = True
        return
    request.wfile.write(body)


def _say(request, status):
    request.send_response(status)
    request.send_header("Content-Length", "0")
    request.end_headers()


def sums_of(files):
    """Return the content of SHA256SUMS.txt, as PhysioNet writes it."""
    lines = [f"{hashlib.sha256(content).hexdigest()} {path}" for path, content in files.items()]
    return ("\n".join(lines) + "\n").encode()


def zenodo_of(files):
    """Return Zenodo's JSON of a record."""
    entries = [
        {
            "key": path,
            "size": len(content),
            "checksum": f"md5:{hashlib.md5(content, usedforsecurity=False).hexdigest()}",
        }
        for path, content in files.items()
    ]
    return json.dumps({"files": entries}).encode()
