"""Dashboard in its own process, for benchmarks and tests."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def serving(
    workspace: Path, log: Path, *options: str, port: int = 0, **environment: str
) -> Iterator[str]:
    """Run a dashboard on a workspace; yield its address. ``options`` are of `streamlit run`."""
    with running(workspace, log, *options, port=port, **environment) as (address, _):
        yield address


@contextmanager
def running(
    workspace: Path, log: Path = Path(os.devnull), *options: str, port: int = 0, **environment: str
) -> Iterator[tuple[str, subprocess.Popen]]:
    """Run a dashboard as ``serving`` does; yield its address and its process."""
    address = f"http://127.0.0.1:{(port := port or free_port())}"
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/streamlit_app.py"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--server.port", str(port), *options],
            cwd=ROOT,
            env=os.environ | environment | {"ECGCORE_HOME": str(workspace)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(f"{address}/_stcore/health", process)
            yield address, process
        finally:
            process.kill()
            process.wait()


def free_port() -> int:
    """Return an unused port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(url: str, process: subprocess.Popen) -> None:
    """Wait until a server responds: five minutes at most, which a busy machine may need."""
    for _ in range(1200):
        assert process.poll() is None, "The server exited during start-up."
        try:
            with urlopen(url):
                return
        except URLError:
            time.sleep(0.25)
    raise TimeoutError(f"No response from {url}.")
