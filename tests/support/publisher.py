"""A publisher on this machine: an HTTP server with the faults that a download must survive."""

import hashlib
import json
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Publisher:
    """Published files, simulated faults, and the requests received.

    Attributes
    ----------
    files
        Content by path.
    supports_range
        Whether it answers Range requests with parts.
    drops, wrong, busy
        By path: how often to cut the connection in the middle, to send altered bytes, or to answer
        503, before it answers correctly.
    requests
        (path, Range header or None) in order.
    """

    def __init__(self, files):
        self.files, self.supports_range = files, True
        self.drops, self.wrong, self.busy = Counter(), Counter(), Counter()
        self.requests, self.lock, self.url = [], threading.Lock(), ""

    def is_faulty(self, faults, path):
        """Return whether this answer is faulty, and count it."""
        with self.lock:
            faults[path] -= 1
            return faults[path] >= 0


@contextmanager
def publishing(publisher):
    """Serve on a free port of this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            """Write no log."""

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
    """Answer one request, with the publisher's faults."""
    path, requested = request.path.lstrip("/"), request.headers.get("Range")
    with publisher.lock:
        publisher.requests.append((path, requested))
    if path not in publisher.files:
        return _send_status(request, 404)
    if publisher.is_faulty(publisher.busy, path):
        return _send_status(request, 503)
    content = publisher.files[path]
    if publisher.is_faulty(publisher.wrong, path):
        content = content[:-1] + bytes([content[-1] ^ 1])
    start = int(requested.removeprefix("bytes=").rstrip("-")) if requested else 0
    if not publisher.supports_range or not requested:
        return _send(publisher, request, path, content, 200, {})
    if start >= len(content):
        return _send_status(request, 416)
    headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
    return _send(publisher, request, path, content[start:], 206, headers)


def _send(publisher, request, path, body, status, headers):
    request.send_response(status)
    for name, value in ({"Content-Length": str(len(body))} | headers).items():
        request.send_header(name, value)
    request.end_headers()
    if publisher.is_faulty(publisher.drops, path):
        request.wfile.write(body[: len(body) // 2])
        request.close_connection = True
        return
    request.wfile.write(body)


def _send_status(request, status):
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
