"""Runs that reports are made of: searches that take a fraction of a second."""

from __future__ import annotations

from pathlib import Path

import pytest
from search_files import small

from azc.report.runs import Run, read_run


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The folders of three searches that differ in their seed."""
    base = tmp_path_factory.mktemp("runs")
    for seed in (1, 2, 3):
        small().run(seed=seed, out=base / f"seed-{seed}")
    return sorted(base.iterdir())


@pytest.fixture
def runs(folders: list[Path]) -> list[Run]:
    return [read_run(folder) for folder in folders]


@pytest.fixture
def run(runs: list[Run]) -> Run:
    return runs[0]
