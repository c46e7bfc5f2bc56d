"""How fast this machine is."""

from typing import Annotated

import typer

from ecgcore.cli.shell import JsonOption, bench_app, err, out, say_json


@bench_app.command("imaging")
def bench_imaging(
    full: Annotated[bool, typer.Option("--full", help="Every series; takes minutes.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure how many images a second are drawn from signals in memory.

    Example: ecgcore bench imaging --json
    """
    from ecgcore.bench.imaging import bench_imaging as measure

    with err.status("Drawing for up to 50 seconds ..."):
        answer = measure(full)
    if as_json:
        say_json(answer)
    else:
        out.print_json(data=answer)
