"""Start the Streamlit dashboard."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from ecgcore.cli.base import WorkspaceOption, app, err
from ecgcore.errors import RequestError
from ecgcore.workspace import Workspace


@app.command()
def dashboard(
    host: Annotated[
        str, typer.Option(help="Address to listen on; 127.0.0.1 is this machine alone.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8501,
    workspace: WorkspaceOption = None,
) -> None:
    """Start the dashboard in the browser's reach; Ctrl-C stops it.

    Other machines are answered only where sign-in is configured (docs/sign-in.md).

    Example: ecgcore dashboard --port 8600
    """
    entry = _entry()
    err.print(f"The dashboard will answer on http://{host}:{port} (Ctrl-C stops it).")
    command = [sys.executable, "-m", "streamlit", "run", str(entry)]
    command += ["--server.address", host, "--server.port", str(port)]
    environment = os.environ | {"ECGCORE_HOME": str(Workspace.find(workspace).path)}
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)


def _entry() -> Path:
    """Return the dashboard's entry script, found without importing it."""
    spec = find_spec("dashboard")
    entry = Path(spec.origin).with_name("streamlit_app.py") if spec and spec.origin else None
    if entry is None or not entry.is_file():
        raise RequestError(
            "The dashboard is not installed beside ecgcore; install the wheel, or work in a "
            "checkout (make setup)."
        )
    return entry
