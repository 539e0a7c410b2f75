"""The tutorial, a notebook: it runs, and prints where it is shown to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "tutorial.ipynb"


def printed(notebook: dict[str, Any]) -> list[str]:
    """What each cell of code prints."""
    return [
        "".join("".join(output.get("text", "")) for output in cell["outputs"])
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # what Jupyter's parts say of each other is not ours
def test_it_runs(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(NOTEBOOK, 4)
    nbclient.NotebookClient(
        notebook, kernel_name="python3", timeout=300, resources={"metadata": {"path": tmp_path}}
    ).execute()
    shown = printed(json.loads(NOTEBOOK.read_text("utf-8")))
    assert [bool(text) for text in printed(notebook)] == [bool(text) for text in shown]
    assert {path.name for path in tmp_path.iterdir()} >= {"cells.csv", "found.az", "found.py"}
