"""Every command of the page about one's own table does what is said, in the order of the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "own-data.md"
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
MADE = {"table.html", "simple.az", "tuned.az", "model.npz", "predictions.csv", "found.py"}


@pytest.mark.slow
def test_from_a_table_to_an_estimator(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for language, text in BLOCKS:
        if language == "toml":
            (tmp_path / "table.toml").write_text(text)
            continue
        lines = [f"python - <<'END'\n{text}END"] if language == "python" else text.splitlines()
        for line in lines:
            done = subprocess.run(
                line, shell=True, cwd=tmp_path, env={**os.environ, "PATH": path},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == line.startswith("azc evolve"), (
                line + done.stdout + done.stderr
            )
    assert {path.name for path in tmp_path.iterdir()} >= MADE
    assert float(done.stdout) > 0.95
    predictions = (tmp_path / "predictions.csv").read_text().splitlines()
    assert len(predictions) == 101
