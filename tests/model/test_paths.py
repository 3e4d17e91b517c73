"""Paths as they are stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncjman.model.paths import absolute


def test_links_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    assert absolute("link/x") == tmp_path / "link" / "x"


def test_no_folder_is_needed_that_is_only_passed_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/inner")
    monkeypatch.chdir(tmp_path)
    assert absolute("link/../x") == (tmp_path / "real" / "x").resolve()
