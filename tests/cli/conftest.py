"""How the tests of the command line run it: in this process where that will do, else in its own."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from azc.cli import progress
from azc.cli.main import main

#: A program that learns, in core; and one with a warning, badly laid out; and one with an error.
LINEAR = '''"""Least mean squares."""
def Setup():
    s2 = 0.05

def Predict():
    s1 = dot(v0, v1)

def Learn():
    s3 = s0 - s1
    s3 = s3 * s2
    v2 = s3 * v0
    v1 = v1 + v2
'''
UGLY = "def Predict():\n  s1=dot( v0,v1)  # x\n  s5 = s1+s1\ndef Learn():\n  v1 = v0\n"
BAD = "def Predict():\n    s1 = dto(v0, v1)\n"


@dataclass
class Outcome:
    """What a run of the command line gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document without NaN or infinities."""

        def refuse(name: str) -> None:
            raise AssertionError(f"{name} is not JSON")

        return json.loads(self.out, parse_constant=refuse)


Azc = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, work tells nothing of how far it is."""
    monkeypatch.setattr(progress, "_LINE_SECONDS", math.inf)


@pytest.fixture
def azc(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Azc:
    """Runs the command line in this process; `stdin` is what it may read."""

    def run(*arguments: str | Path, stdin: bytes = b"") -> Outcome:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err or "--debug" in map(str, arguments)
        return Outcome(code, out, err)

    return run


@pytest.fixture
def azc_process() -> Azc:
    """Runs the command line in a process of its own."""

    def run(*arguments: str | Path, **settings: Any) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-c", "import sys; from azc.cli.main import main; sys.exit(main())",
             *map(str, arguments)],
            capture_output=True, text=True, timeout=60, **settings,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, made the current one, with the programs linear.az, ugly.az and bad.az."""
    for name, text in {"linear.az": LINEAR, "ugly.az": UGLY, "bad.az": BAD}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path
