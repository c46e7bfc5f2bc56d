"""Run the lines of the script as a notebook, and see that a record shows itself on paper."""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

lines = Path("ten_lines.py").read_text().replace("sys.argv[1]", repr(sys.argv[1]))
notebook = nbformat.v4.new_notebook(
    cells=[nbformat.v4.new_code_cell(lines), nbformat.v4.new_code_cell("record")]
)
NotebookClient(notebook, timeout=600).execute()
printed = "".join(output.get("text", "") for output in notebook.cells[0].outputs)
print(printed, end="")
shown = notebook.cells[1].outputs[0]["data"]
assert "<svg" in shown["text/html"], "a record shows itself on paper"
print(shown["text/plain"])
