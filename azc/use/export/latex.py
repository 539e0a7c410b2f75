"""To LaTeX: equations as one would print them, named after the program's params and variables."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from azc.compiler.fusion import Statement, Use, uses
from azc.ops import ConstantKind, Op, Type
from azc.program import Address
from azc.use.export.subject import Subject, values_of

__all__ = ["covers", "equations", "write"]

_SUM, _PRODUCT, _ATOM = 1, 2, 3


@dataclass(frozen=True, slots=True)
class _Form:
    """How an op is written: its text, how closely it binds, and how closely its operands must."""

    text: str
    own: int = _ATOM
    a: int = 0
    b: int = 0


def _sum(text: str) -> _Form:
    return _Form(text, _SUM, _SUM, _PRODUCT if "-" in text else _SUM)


def _product(text: str) -> _Form:
    return _Form(text, _PRODUCT, _PRODUCT, _ATOM)


def _function(name: str) -> _Form:
    return _Form(rf"{name}\left({{a}}\right)")


def _each(kinds: Sequence[str], op: str, form: _Form) -> dict[str, _Form]:
    return {f"{kind}_{op}": form for kind in kinds}


_ALL, _ARRAYS = ("scalar", "vector", "matrix"), ("vector", "matrix")
_FORMS: dict[str, _Form] = {
    **_each(_ALL, "add", _sum("{a} + {b}")),
    **_each(_ALL, "sub", _sum("{a} - {b}")),
    **_each(_ALL, "abs", _Form(r"\left|{a}\right|")),
    **_each(_ALL, "reciprocal", _Form(r"\frac{{1}}{{{a}}}")),
    **_each(_ALL, "min", _Form(r"\min\left({a}, {b}\right)")),
    **_each(_ALL, "max", _Form(r"\max\left({a}, {b}\right)")),
    **_each(_ALL, "uniform", _Form(r"\mathcal{{U}}\left({c0}, {c1}\right)")),
    **_each(_ALL, "gaussian", _Form(r"\mathcal{{N}}\left({c0}, \left({c1}\right)^2\right)")),
    **_each(_ALL, "const", _Form("{c0}")),
    **_each(_ARRAYS, "mul", _product(r"{a} \odot {b}")),
    **_each(_ARRAYS, "div", _product(r"{a} \oslash {b}")),
    **_each(_ARRAYS, "heaviside", _Form(r"\left[{a} > 0\right]")),
    **_each(_ARRAYS, "mean", _function(r"\operatorname{{mean}}")),
    **_each(_ARRAYS, "std", _function(r"\operatorname{{std}}")),
    **{
        f"scalar_{name}": _function(rf"\{name}")
        for name in ("sin", "cos", "tan", "arcsin", "arccos", "arctan", "exp", "log")
    },
    "scalar_mul": _product(r"{a} \cdot {b}"),
    "scalar_div": _Form(r"\frac{{{a}}}{{{b}}}"),
    "scalar_heaviside": _Form(r"\left[{a} \ge 0\right]"),
    "scalar_vector_mul": _product(r"{a}\, {b}"),
    "scalar_matrix_mul": _product(r"{a}\, {b}"),
    "vector_broadcast": _Form(r"{a}\, \mathbf{{1}}", _PRODUCT, _PRODUCT),
    "vector_norm": _Form(r"\left\|{a}\right\|"),
    "dot": _Form(r"{a}^\top {b}", _PRODUCT, _ATOM, _ATOM),
    "outer": _Form(r"{a}\, {b}^\top", _PRODUCT, _ATOM, _ATOM),
    "matrix_vector_dot": _product(r"{a}\, {b}"),
    "matmul": _product(r"{a}\, {b}"),
    "column_broadcast": _Form(r"{a}\, \mathbf{{1}}^\top", _PRODUCT, _ATOM),
    "row_broadcast": _Form(r"\mathbf{{1}}\, {a}^\top", _PRODUCT, _ATOM),
    "matrix_norm": _Form(r"\left\|{a}\right\|_F"),
    "column_norm": _Form(r"\left(\left\|\left({a}\right)_{{\cdot j}}\right\|\right)_j"),
    "row_norm": _Form(r"\left(\left\|\left({a}\right)_{{i \cdot}}\right\|\right)_i"),
    "row_mean": _Form(r"\left(\operatorname{{mean}} \left({a}\right)_{{i \cdot}}\right)_i"),
    "row_std": _Form(r"\left(\operatorname{{std}} \left({a}\right)_{{i \cdot}}\right)_i"),
    "transpose": _Form(r"{a}^\top", _ATOM, _ATOM),
}
_GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "eta", "theta", "lambda", "mu", "nu", "rho",
    "sigma", "tau", "phi", "omega",
}  # fmt: skip
_HEAD = r"""% {title}: {what}
\documentclass{{article}}
\usepackage{{amsmath, amssymb}}
\begin{{document}}
"""
#: Longer expressions are not put into others.
_MOST = 120


def covers(op: Op) -> bool:
    """Whether an instruction of that op can be written."""
    return not op.index or op.name in _FORMS


def write(subject: Subject) -> str:
    """A document with the equations of Setup, Predict and Learn."""
    first, _, _ = subject.program.doc.strip().partition("\n")
    words = re.sub(r"[^\w .,;:()-]", " ", first) or "a program"
    parts = [_HEAD.format(title=subject.title, what=words)]
    for name, lines in equations(subject):
        rows = [f"  {left} &{relation} {right}" for left, relation, right in lines]
        parts.append(f"\\paragraph{{{name}}}\n\\begin{{align*}}\n")
        parts.append(" \\\\\n".join(rows) + "\n\\end{align*}\n")
    return "".join([*parts, "\\end{document}\n"])


def equations(subject: Subject) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Of each function that does something its name, and left side, relation and right side of its
    equations. A value that is read once stands where it is read."""
    after = subject.after_predict | subject.before_learn
    bodies = [
        ("Setup", subject.setup, subject.needed.between),
        ("Predict", subject.predict_for_both, after),
        ("Learn", subject.learn, subject.needed.between),
    ]
    names = _names(subject)
    own = subject.live.names
    return [(name, _lines(body, left, names, own)) for name, body, left in bodies if body]


def _lines(
    body: list[Statement],
    after: Collection[Address],
    names: dict[Address, str],
    own: Collection[Address],
) -> list[tuple[str, str, str]]:
    used = uses(body, after)
    inside: dict[int, tuple[str, int, set[Address]]] = {}  # by the position of the maker
    maker: dict[Address, int] = {}
    lines = []
    for position, (statement, use) in enumerate(zip(body, used, strict=True)):
        op, out = statement.instruction.op, statement.writes
        form = _FORMS[op.name]
        values = {f"c{k}": _number(c) for k, c in enumerate(values_of(statement))}
        leaves: set[Address] = set()
        for name, _, address in statement.operands:
            made = inside.get(maker.get(address, -1))
            text, binds, reads = made or (names[address], _ATOM, {address})
            leaves |= reads
            needed = form.a if name == "a" else form.b
            values[name] = text if binds >= needed else rf"\left({text}\right)"
        text = form.text.format(**values)
        maker[out] = position
        if _goes_inside(statement, use, body, position, leaves, own) and len(text) <= _MOST:
            inside[position] = (text, form.own, leaves)
            continue
        left = names[out]
        if op.entry:
            left += f"_{{{', '.join(_index(statement))}}}"
        lines.append((left, r"\sim" if op.random else r"\gets", text))
    return lines


def _goes_inside(
    statement: Statement,
    use: Use,
    body: Sequence[Statement],
    position: int,
    leaves: set[Address],
    own: Collection[Address],
) -> bool:
    """Whether a value stands where it is read: all that it is made of must still be there. Numbers
    that the author gave a name keep it."""
    op = statement.instruction.op
    if use.leaves or not use.positions or op.random or op.entry:
        return False
    if any(body[reader].instruction.op.entry for reader in use.positions):
        return False
    if op.name == "scalar_const":
        return statement.writes not in own
    between = {s.writes for s in body[position + 1 : use.positions[0]]}
    return len(use.positions) == 1 and not between & leaves


def _index(statement: Statement) -> list[str]:
    instruction = statement.instruction
    kinds = zip(instruction.op.constants, instruction.constants, strict=True)
    return [
        str(value) if isinstance(value, int) else rf"\lfloor {_number(value)} F \rfloor"
        for kind, value in kinds
        if kind is ConstantKind.INDEX
    ]


def _number(value: float) -> str:
    if math.isnan(value):
        return r"\mathrm{NaN}"
    if math.isinf(value):
        return r"\infty" if value > 0 else r"(-\infty)"
    mantissa, _, exponent = f"{value:.4g}".partition("e")
    text = rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else mantissa
    return f"({text})" if value < 0 or exponent else text


def _names(subject: Subject) -> dict[Address, str]:
    """What each address is called: x, y and the prediction, zero where nothing is ever written,
    else as in the program if no other is called so, else s, v, m with its number."""
    features, label, prediction = subject.interface
    given = {features: r"\mathbf{x}", prediction: r"\hat{y}", label: "y"}
    own = subject.live.names
    called = [own[a] for a in subject.addresses if a in own]
    written = {i.output for i in subject.live.instructions()}
    names = {}
    for address in subject.addresses:
        word = own.get(address, "")
        if address in given:
            names[address] = given[address]
        elif address not in written:
            names[address] = "0" if address.type is Type.SCALAR else r"\mathbf{0}"
        elif word and called.count(word) == 1 and word not in ("x", "y"):
            names[address] = _styled(word, address.type)
        else:
            names[address] = f"{_styled(address.type.value, address.type)}_{{{address.number}}}"
    return names


def _styled(word: str, kind: Type) -> str:
    """A name in the type's letters: plain, bold, bold capital."""
    if word in _GREEK:
        return rf"\boldsymbol{{\{word}}}" if kind is not Type.SCALAR else rf"\{word}"
    text = word.replace("_", r"\_")
    if len(word) > 1:
        text = rf"\mathrm{{{text}}}" if kind is Type.SCALAR else rf"\mathbf{{{text}}}"
        return text
    if kind is Type.SCALAR:
        return text
    return rf"\mathbf{{{text.upper() if kind is Type.MATRIX else text}}}"
