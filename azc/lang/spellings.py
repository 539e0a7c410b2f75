"""How each op is written, read off the op table; nothing here names an op.

An op's text is one of a few forms: ``{a} + {b}``, ``1 / {a}``, a call, a constant, or the setting
of one entry. A form that is none of these is refused when this module is imported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from azc.ops import OPS, Op, Type

__all__ = [
    "CONSTANT",
    "ENTRY",
    "NOTHING",
    "RANDOM",
    "RECIPROCAL",
    "SPELLINGS",
    "Head",
    "trailing_literals",
]

#: What a form that is no call is known by.
RECIPROCAL: Final = "1 /"
CONSTANT: Final = "constant"
ENTRY: Final = "entry"

_BINARY = re.compile(r"\{out\} = \{a\} (\W) \{b\}")
_RECIPROCAL = re.compile(r"\{out\} = 1 / \{a\}")
_CALL = re.compile(r"(?:\{out\} = )?(\w+)\((.*)\)")
_CONSTANT = re.compile(r"\{out\} = \{c0\}")
_ENTRY = re.compile(r"\{out\}\[(?:\{c\d\}, )*\{c\d\}\] = \{c\d\}")


@dataclass(frozen=True, slots=True)
class Head:
    """What tells one op from another in a text.

    `name` is the operator's symbol, the function's name, or one of the names above. `given` are
    the operands' types; an op without operands is told by the type of its `target` instead.
    """

    name: str
    given: tuple[Type, ...] = ()
    axis: int | None = None
    target: Type | None = None


def _head(op: Op) -> tuple[Head, tuple[float, ...]]:
    """The op's head, and the literals that its text has after the operands."""
    target = None if op.has_operands else op.output
    if match := _BINARY.fullmatch(op.text):
        return Head(match[1], op.inputs), ()
    if _RECIPROCAL.fullmatch(op.text):
        return Head(RECIPROCAL, op.inputs), ()
    if _CONSTANT.fullmatch(op.text):
        return Head(CONSTANT, target=target), ()
    if _ENTRY.fullmatch(op.text):
        return Head(ENTRY, target=target), ()
    if match := _CALL.fullmatch(op.text):
        axis, literals = None, []
        for argument in match[2].split(", "):
            if argument.startswith("axis="):
                axis = int(argument.removeprefix("axis="))
            elif argument and not argument.startswith("{"):
                literals.append(float(argument))
        return Head(match[1], op.inputs, axis, target), tuple(literals)
    raise ValueError(f"the text of {op.name} has no form that the language knows: {op.text}")


#: Every op under its head.
SPELLINGS: Final[dict[Head, Op]] = {}
_LITERALS: Final[dict[str, tuple[float, ...]]] = {}

for _op in OPS:
    _key, _literals = _head(_op)
    if _key in SPELLINGS or _LITERALS.setdefault(_key.name, _literals) != _literals:
        raise ValueError(f"the text of {_op.name} cannot be told from another op's: {_op.text}")
    SPELLINGS[_key] = _op

#: The names of the functions that draw at random.
RANDOM: Final = frozenset(head.name for head, op in SPELLINGS.items() if op.random)
#: The name of the op without effect.
NOTHING: Final = next(head.name for head, op in SPELLINGS.items() if op.output is None)


def trailing_literals(name: str) -> tuple[float, ...]:
    """The literals after the operands of function `name`, such as the 1.0 of ``heaviside``."""
    return _LITERALS.get(name, ())
