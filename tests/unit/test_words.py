"""Language of the code: no private vocabulary, docstrings that begin with a verb or a noun."""

import ast
import io
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (ROOT / "ecgcore", ROOT / "dashboard")
FILES = sorted(file for folder in FOLDERS for file in folder.rglob("*.py"))
PRIVATE = set(
    "told found said asked brought there place kept beside elder elders learnt taught".split()
)
"""Words that named a dozen different things each; a name says what it is."""
ALLOWED = {("cohort", "found")}
"""Package and word: ``found`` is a field of the JSON form of ``ecgcore ingest``."""
OPENINGS = set("What Let Which How Where Whether Who May If So Did Does Were".split())


def test_no_identifier_is_a_private_word():
    offences = [
        f"{file.relative_to(ROOT)}:{token.start[0]}: {token.string}"
        for file in FILES
        for token in tokenize.generate_tokens(io.StringIO(file.read_text("utf-8")).readline)
        if token.type == tokenize.NAME
        and token.string in PRIVATE
        and (file.parent.name, token.string) not in ALLOWED
    ]
    assert not offences


def test_a_docstring_begins_with_a_verb_or_a_noun():
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = [
        (file, text)
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, documented) and (text := ast.get_docstring(node))
    ]
    offences = [f"{file.name}: {text}" for file, text in texts if text.split()[0] in OPENINGS]
    assert len(texts) > 2000
    assert not offences
