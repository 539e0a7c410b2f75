"""What tests of searches share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from search_files import left, small, told

from azc.search import snapshots


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that does not exist yet."""
    return tmp_path / "runs" / "first"


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails at a place of snapshots is tried again at once."""
    monkeypatch.setattr(snapshots, "_PAUSES", ())


@pytest.fixture(scope="module")
def whole(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any]]:
    """What the search `FOUR` of a module says and leaves that is one process, and keeps all that it
    saves in run.sqlite."""
    folder = tmp_path_factory.mktemp("whole")
    return told(small(*request.module.FOUR).run(seed=5, out=folder)), left(folder)
