"""What lowered expressions compute, against an evaluation of the same text by NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from azc.lang import parse
from azc.ops import Type
from azc.program import Instruction, Program, verify

F = 3
S, V, M = Type
#: What the text may mention: addresses and declared names.
NAMES = {
    S: ["s2", "s3", "a", "b"],
    V: ["v1", "v3", "w", "u"],
    M: ["m0", "m2", "A", "B"],
}
HEADER = """
var a, b: scalar
var w, u: vector
var A, B: matrix

def Predict():  # not run: names keep off these addresses
    s2 = s3
    v1 = v3
    m0 = m2

"""
LITERALS = ["0", "1", "2", "-1", "0.5", "-0.0", "1e-3", "1 / 3", "inf"]


class Expr:
    """The same expression in the language and in Python."""

    def __init__(self, az: str, py: str) -> None:
        self.az, self.py = az, py

    def __repr__(self) -> str:
        return self.az


def call(name: str, *arguments: Expr, axis: int | None = None) -> Expr:
    tail = "" if axis is None else f", axis={axis}"
    az, py = (", ".join(getattr(a, side) for a in arguments) for side in ("az", "py"))
    return Expr(f"{name}({az}{tail})", f"{name}({py}{tail})")


def literals() -> st.SearchStrategy[Expr]:
    return st.sampled_from(LITERALS).map(lambda text: Expr(f"({text})", f"number({text!r})"))


def atoms(type: Type) -> st.SearchStrategy[Expr]:
    named = st.sampled_from(NAMES[type]).map(lambda name: Expr(name, name))
    return named | literals() if type is S else named


@st.composite
def expressions(draw: st.DrawFn, type: Type, depth: int) -> Expr:
    if depth == 0 or draw(st.integers(0, 4)) == 0:
        return draw(atoms(type))

    def sub(type: Type) -> Expr:
        return draw(expressions(type, depth - 1))

    kinds = ["binary", "binary", "extreme", "negative", "same", "power", "down", "own"]
    kind = draw(st.sampled_from(kinds))
    narrower = [other for other in Type if other.rank <= type.rank]
    other = draw(st.sampled_from(narrower))
    pair = [sub(type), sub(other)]
    if draw(st.booleans()):
        pair.reverse()
    match kind:
        case "binary":
            symbol = draw(st.sampled_from("+-*/"))
            return Expr(
                f"({pair[0].az} {symbol} {pair[1].az})", f"({pair[0].py} {symbol} {pair[1].py})"
            )
        case "extreme":
            return call(draw(st.sampled_from(["minimum", "maximum"])), *pair)
        case "negative":
            inner = sub(type)
            return Expr(f"(-{inner.az})", f"(-{inner.py})")
        case "same":
            name = draw(st.sampled_from(["abs", "heaviside", "relu", "clip"]))
            if name == "clip":
                return call(name, sub(type), *pair)
            return call(name, sub(type))
        case "power":
            inner = sub(type)
            if draw(st.booleans()):
                return Expr(f"({inner.az} ** 2)", f"square({inner.py})")
            return Expr(f"({inner.az} ** -1)", f"(1.0 / {inner.py})")
    return special(draw, sub, type)


def special(draw: st.DrawFn, sub: Any, type: Type) -> Expr:
    """Functions that only give this type."""
    if type is S:
        name = draw(
            st.sampled_from(["sin", "exp", "log", "sigmoid", "tanh", "sqrt", "dot", "fold"])
        )
        if name == "dot":
            return call("dot", sub(V), sub(V))
        if name == "fold":
            fold = draw(st.sampled_from(["norm", "mean", "sum", "std"]))
            return call(fold, sub(draw(st.sampled_from([V, M]))))
        return call(name, sub(S))
    if type is V:
        name = draw(st.sampled_from(["dot", "tdot", "bcast", "norm", "mean", "std", "sum"]))
        if name == "bcast":
            return call("bcast", sub(S))
        if name == "dot":
            return call("dot", sub(M), sub(V))
        if name == "tdot":
            return call("dot", sub(V), sub(M))
        return call(name, sub(M), axis=draw(st.integers(0, 1)))
    name = draw(st.sampled_from(["outer", "matmul", "transpose", "bcast"]))
    if name == "outer":
        return call("outer", sub(V), sub(V))
    if name == "bcast":
        return call("bcast", sub(V), axis=draw(st.integers(0, 1)))
    return call(name, *[sub(M)] * (2 if name == "matmul" else 1))


# --- Python's side -------------------------------------------------------------------------------


def total(x: Any, axis: int | None = None) -> Any:
    return np.sum(x, axis=axis)


def square(x: Any) -> Any:
    return x * x


def _spread(*values: Any) -> list[Any]:
    return [np.array(value) for value in np.broadcast_arrays(*values)]


def minimum(a: Any, b: Any) -> Any:
    a, b = _spread(a, b)
    return np.where(a < b, a, b) if a.ndim == 2 else np.where(b < a, b, a)


def maximum(a: Any, b: Any) -> Any:
    a, b = _spread(a, b)
    return np.where(a > b, a, b) if a.ndim == 2 else np.where(a < b, b, a)


def relu(x: Any) -> Any:
    return maximum(0.0, x) if np.ndim(x) == 2 else maximum(x, 0.0)


def clip(x: Any, low: Any, high: Any) -> Any:
    x, low, high = _spread(x, low, high)
    if x.ndim == 2:
        return minimum(high, maximum(low, x))
    return minimum(maximum(x, low), high)


def heaviside(x: Any) -> Any:
    return np.where(x >= 0 if np.ndim(x) == 0 else x > 0, 1.0, 0.0)


def bcast(x: Any, axis: int | None = None) -> Any:
    if axis is None:
        return np.full(F, x)
    return np.tile(x, (F, 1)).T if axis == 0 else np.tile(x, (F, 1))


def dot(a: Any, b: Any) -> Any:
    if np.ndim(a) == 1 and np.ndim(b) == 2:
        return dot(b.T.copy(), a)
    return total(a * b) if np.ndim(a) == 1 else total(a * b, axis=1)


def matmul(a: Any, b: Any) -> Any:
    return total(a[:, :, None] * b[None, :, :], axis=1)


def norm(x: Any, axis: int | None = None) -> Any:
    return np.sqrt(total(x * x, axis=axis))


def mean(x: Any, axis: int | None = None) -> Any:
    if axis == 0:
        return mean(x.T.copy(), axis=1)
    return total(x, axis=axis) / (x.size if axis is None else F)


def std(x: Any, axis: int | None = None) -> Any:
    if axis == 0:
        return std(x.T.copy(), axis=1)
    return np.sqrt(mean(x * x, axis) - mean(x, axis) * mean(x, axis))


def sum_(x: Any, axis: int | None = None) -> Any:
    if axis == 0:
        return sum_(x.T.copy(), axis=1)
    if axis is None and np.ndim(x) == 2:
        return total(total(x * 1.0, axis=1))
    return total(x * 1.0, axis=axis)


PYTHON = {
    "F": F,
    "np": np,
    "total": total,
    "square": square,
    "number": lambda text: np.float64(eval(text, {"inf": np.inf})),
    "minimum": minimum,
    "maximum": maximum,
    "relu": relu,
    "clip": clip,
    "heaviside": heaviside,
    "bcast": bcast,
    "dot": dot,
    "matmul": matmul,
    "norm": norm,
    "mean": mean,
    "std": std,
    "sum": sum_,
    "abs": np.abs,
    "outer": np.outer,
    "transpose": lambda x: x.T,
    "sin": np.sin,
    "exp": np.exp,
    "log": np.log,
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "tanh": lambda x: 1.0 - 2.0 / (1.0 + np.exp(x + x)),
    "sqrt": lambda x: np.exp(0.5 * np.log(x)),
}


# --- the language's side -------------------------------------------------------------------------


def fresh(type: Type) -> Any:
    return np.zeros((F,) * type.rank)


def execute(instruction: Instruction, memory: dict[str, Any]) -> None:
    op = instruction.op
    operands = [memory.get(str(a), fresh(a.type)) for a in instruction.reads]
    scope = dict(zip("ab", operands, strict=False)) | {"F": F, "np": np, "total": total}
    scope |= {f"c{i}": value for i, value in enumerate(instruction.constants)}
    value = eval(op.numpy, {}, scope)
    out = str(instruction.output)
    memory[out] = np.broadcast_to(value, fresh(op.output).shape).astype(float)


def run(program: Program, memory: dict[str, Any]) -> None:
    for body in (program.setup, program.learn):
        for instruction in body:
            execute(instruction, memory)


@st.composite
def statements(draw: st.DrawFn) -> list[tuple[str, str, Expr]]:
    found = []
    for _ in range(draw(st.integers(1, 4))):
        type = draw(st.sampled_from([S, V, M]))
        target = draw(st.sampled_from(NAMES[type]))
        expression = draw(expressions(type, draw(st.integers(0, 4))))
        symbol = draw(st.sampled_from(["=", "=", "=", "+=", "-=", "*=", "/="]))
        found.append((target, symbol, expression))
    return found


def same(a: Any, b: Any) -> bool:
    a, b = np.array(a, dtype=float), np.array(b, dtype=float)
    a[np.isnan(a)] = b[np.isnan(b)] = np.nan
    return bool(a.shape == b.shape and a.tobytes() == b.tobytes())


@given(statements(), st.integers(0, 2**32 - 1))
def test_expressions(lines: list[tuple[str, str, Expr]], seed: int) -> None:
    body = "".join(f"    {target} {symbol} {e.az}\n" for target, symbol, e in lines)
    program = verify(parse(f"{HEADER}def Learn():\n{body}"))
    rng = np.random.default_rng(seed)
    env = {name: rng.normal(size=(F,) * t.rank) for t, names in NAMES.items() for name in names}
    where = {name: str(address) for address, name in program.names.items()}
    memory = {where.get(name, name): np.array(value) for name, value in env.items()}
    with np.errstate(all="ignore"):
        run(program, memory)
        for target, symbol, expression in lines:
            value = eval(expression.py, PYTHON, env)
            if symbol != "=":
                value = eval(f"old {symbol[0]} new", {}, {"old": env[target], "new": value})
            env[target] = np.array(np.broadcast_to(value, np.shape(env[target])), dtype=float)
    for name, value in env.items():
        assert same(memory[where.get(name, name)], value), f"{name} of\n{body}{program}"


@given(statements())
def test_text_of_lowered_programs(lines: list[tuple[str, str, Expr]]) -> None:
    body = "".join(f"    {target} {symbol} {e.az}\n" for target, symbol, e in lines)
    program = parse(f"{HEADER}def Learn():\n{body}")
    assert parse(str(program)) == program


def test_nothing_superfluous() -> None:
    text = "var w: vector\nvar b: scalar\ndef Learn(x, y):\n    {}\n"
    for statement, count in [
        ("w += b * x", 2),
        ("b = dot(w, x) + y", 2),
        ("w = b * x", 1),
        ("b = b", 0),
        ("b = y", 1),
        ("w = relu(x)", 1),
        ("b = sum(w)", 1),
        ("w = 2 * x", 1),
        ("b -= -y", 1),
    ]:
        assert len(parse(text.format(statement)).learn) == count, statement


def test_params() -> None:
    program = parse(
        "param rate = 0.1 in log(1e-3, 1)\nparam free = 2\nparam c = 0.5 in (0, 1)\n"
        "def Learn(x, y):\n    s5 = rate * free * c\n"
    )
    for param in program.params:
        instruction = getattr(program, param.function)[param.index]
        assert instruction.constants[param.constant] == param.default
        assert program.names[instruction.output] == param.name
    assert [(p.name, p.low, p.high, p.scale) for p in program.params] == [
        ("rate", 1e-3, 1.0, "log"),
        ("free", None, None, "linear"),
        ("c", 0.0, 1.0, "linear"),
    ]


def test_names() -> None:
    program = parse("var w: vector\ndef Learn(x, y):\n    e = y - dot(w, x)\n")
    assert {str(address): name for address, name in program.names.items()} == {
        "v1": "w",
        "s2": "e",
    }
