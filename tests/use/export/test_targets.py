"""The table of targets."""

from __future__ import annotations

import pytest

import azc
from azc.ops import OPS
from azc.use.export import TARGETS, export


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_every_target_covers_every_op(target):
    assert [op.name for op in OPS if not target.covers(op)] == []


def test_what_is_refused():
    program = azc.library.load("linear")
    with pytest.raises(azc.ConfigError, match=r"expected one of numpy, .* did you mean 'numpy'"):
        export(program, "nump")
    with pytest.raises(azc.AzcError, match="expected a Program"):
        azc.export("linear", "numpy")
    with pytest.raises(azc.ConfigError, match="classes"):
        export(program, "numpy", classes=1)
    with pytest.raises(azc.ConfigError, match="a program that predicts something"):
        export(azc.parse("def Predict():\n    s1 = mean(v0)\n"), "numpy", classes=3)
