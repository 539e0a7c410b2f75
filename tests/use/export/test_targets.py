"""The table of targets."""

from __future__ import annotations

import pytest

import azc
from azc.ops import OPS, Type, by_name
from azc.program import Instruction, Program
from azc.use.export import TARGETS, export


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_every_target_covers_every_op(target):
    assert [op.name for op in OPS if not target.covers(op)] == []


def _shown(op):
    """A program that predicts what the op makes."""
    constants = tuple(0.25 for _ in op.constants)
    made = Instruction(op, 4 if op.output else 0, (5, 6)[: len(op.inputs)], constants)
    show = {Type.SCALAR: "scalar_abs", Type.VECTOR: "vector_mean", Type.MATRIX: "matrix_mean"}
    last = [Instruction(by_name(show[op.output]), 1, (4,))] if op.output else []
    alone = [Instruction(by_name("vector_mean"), 1, (0,))] if not op.output else []
    return Program(predict=(made, *last, *alone))


@pytest.mark.parametrize("target", TARGETS)
def test_every_op_is_written(target):
    for op in OPS:
        assert export(_shown(op), target), op.name


def test_latex_of_the_network():
    """Names as in the program; what is read once stands where it is read."""
    text = export(azc.library.load("network"), "latex")
    assert r"\mathrm{lr} &\gets 0.1" in text
    assert r"\mathbf{active} &\gets \max\left(\mathbf{hidden}, \mathbf{0}\right)" in text
    assert r"\mathbf{W} &\gets \mathbf{W} + \mathbf{back}\, \mathbf{x}^\top" in text
    assert text.count("{") == text.count("}")


def test_values_are_not_moved_past_changes():
    program = azc.parse(
        "def Predict():\n    s3 = mean(v0)\n    s4 = s3 + s2\n    s2 = norm(v0)\n    s1 = s4 * s2\n"
    )
    text = export(program, "latex")
    assert r"s_{4} &\gets \operatorname{mean}\left(\mathbf{x}\right) + s_{2}" in text
    assert r"\hat{y} &\gets s_{4} \cdot s_{2}" in text


def test_markdown_of_the_network():
    text = export(azc.library.load("network"), "markdown")
    assert text.startswith("# network\n")
    assert "```mermaid\nflowchart TD\n" in text
    assert "l9 -.-> p0" in text


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
