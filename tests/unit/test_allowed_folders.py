"""Allowed folders: a page may import those below configured roots, and no other."""

import os
from pathlib import Path

import pytest

from ecgcore.cohort.allowed_folders import VARIABLE, import_roots, list_subfolders, resolve_folder
from ecgcore.errors import RequestError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "archive"
    (made / "2024" / "ward").mkdir(parents=True)
    (made / ".hidden").mkdir()
    (tmp_path / "archive-secret").mkdir()
    return made


def test_roots_come_from_the_environment_or_are_data_and_examples(root, monkeypatch):
    other = root.parent / "other" / "archive"
    other.mkdir(parents=True)
    monkeypatch.setenv(VARIABLE, os.pathsep.join([str(root), str(root.parent / "gone")]))
    assert import_roots() == {"archive": root}
    monkeypatch.setenv(VARIABLE, os.pathsep.join([str(root), str(other)]))
    assert import_roots() == {str(root): root, str(other): other}
    monkeypatch.setenv(VARIABLE, "")
    assert import_roots() == {}
    monkeypatch.delenv(VARIABLE)
    monkeypatch.chdir(root.parent)
    assert import_roots() == {}
    (root.parent / "examples").mkdir()
    assert import_roots() == {"examples": root.parent / "examples"}


def test_folders_below_a_root_are_listed_the_nearest_first(root):
    assert list_subfolders(root) == [".", "2024", "2024/ward"]
    assert resolve_folder(root, ".") == root.resolve()
    assert resolve_folder(root, "2024/ward") == (root / "2024" / "ward").resolve()


@pytest.mark.parametrize(
    "below", ["..", "../archive-secret", "2024/../..", "/etc", "gone", "2024/../2024", "x\0y", "~"]
)
def test_what_is_no_folder_below_a_root_is_refused_in_one_line(root, below):
    with pytest.raises(RequestError) as refused:
        resolve_folder(root, below)
    assert str(refused.value).startswith(f"'{below}' is no folder below archive; choose one")
    assert str(root.parent) not in str(refused.value)


def test_a_link_that_leads_out_is_refused_and_one_that_stays_inside_is_not(root):
    (root / "out").symlink_to("/etc")
    assert "out" not in list_subfolders(root)
    with pytest.raises(RequestError, match="'out' is no folder below archive"):
        resolve_folder(root, "out")
    (root / "2024" / "stays").symlink_to(root / "2024" / "ward")
    assert resolve_folder(root, "2024").name == "2024"
    (root / "2024" / "ward" / "leads.hea").symlink_to("/etc/passwd")
    with pytest.raises(RequestError, match=r"holds a link that leads out of archive \(ward/leads"):
        resolve_folder(root, "2024")


def test_a_root_that_is_itself_a_link_is_trusted(root, tmp_path):
    (tmp_path / "data").symlink_to(root)
    assert resolve_folder(tmp_path / "data", "2024") == (root / "2024").resolve()
