"""Processor time and memory of commands that only list, beside those of an empty Python.

    .venv/bin/python benchmarks/startup.py

Bytecode is kept in a temporary folder, as an installation keeps it: with PYTHONDONTWRITEBYTECODE
each start compiles every module anew, which takes another 0.3 to 0.4 s. Prints the least of
five runs each, in turn.
"""

import os
import subprocess
import sys
import tempfile

COMMANDS = (
    ["-c", "pass"],
    ["-m", "ecgcore", "--help"],
    ["-m", "ecgcore", "runs", "list"],
    ["-m", "ecgcore", "cohorts"],
)
MEASURE = (
    "import os, resource, sys; pid = os.fork() or os.execv(sys.executable, sys.argv[1:]); "
    "os.waitpid(pid, 0); used = resource.getrusage(resource.RUSAGE_CHILDREN); "
    "print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)"
)


def measure(words: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return a command's processor time in s and its peak memory in MB."""
    command = [sys.executable, "-S", "-c", MEASURE, sys.executable, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    seconds, kilobytes = done.stderr.split()[-2:]
    return float(seconds), float(kilobytes) / 1024


def main() -> None:
    """Print a line for each command."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        results: dict[int, list[tuple[float, float]]] = {}
        for turn in range(6):
            for number, words in enumerate(COMMANDS):
                result = measure(words, environment)
                if turn:  # the first compiles
                    results.setdefault(number, []).append(result)
    for number, words in enumerate(COMMANDS):
        seconds, megabytes = min(results[number])
        print(f"{' '.join(words):24} {seconds:.2f} s  {megabytes:4.0f} MB")


if __name__ == "__main__":
    main()
