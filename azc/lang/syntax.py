"""The syntax tree: what a program's text says, before names and types are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from azc.lang.source import Place

__all__ = [
    "Assign",
    "Attribute",
    "Bare",
    "Binary",
    "Call",
    "Expression",
    "File",
    "Function",
    "Index",
    "Keyword",
    "Name",
    "Number",
    "ParamDeclaration",
    "Return",
    "Skip",
    "Statement",
    "Text",
    "Tuple",
    "Unary",
    "VarDeclaration",
    "walk",
]


@dataclass(frozen=True, slots=True)
class Number:
    """A literal without sign. `coordinate` is its value where it was written as an integer."""

    place: Place
    value: float
    coordinate: int | None = None

    depth: ClassVar[int] = 1
    children: ClassVar[tuple[Expression, ...]] = ()


@dataclass(frozen=True, slots=True)
class Name:
    """An address or a name."""

    place: Place
    text: str

    depth: ClassVar[int] = 1
    children: ClassVar[tuple[Expression, ...]] = ()


@dataclass(frozen=True, slots=True)
class Unary:
    """``-x`` or ``+x``."""

    place: Place
    symbol: str
    operand: Expression
    depth: int

    @property
    def children(self) -> tuple[Expression, ...]:
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Binary:
    """``x SYMBOL y``; the place is the symbol's."""

    place: Place
    symbol: str
    left: Expression
    right: Expression
    depth: int

    @property
    def children(self) -> tuple[Expression, ...]:
        return (self.left, self.right)


@dataclass(frozen=True, slots=True)
class Keyword:
    """``name=value`` in a call."""

    place: Place
    name: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Call:
    """``function(arguments, keywords)``; the place is the function's."""

    place: Place
    function: Expression
    arguments: tuple[Expression, ...]
    keywords: tuple[Keyword, ...]
    depth: int

    @property
    def children(self) -> tuple[Expression, ...]:
        return (*self.arguments, *(keyword.value for keyword in self.keywords))


@dataclass(frozen=True, slots=True)
class Tuple:
    """``(x, y)``: a shape or a range."""

    place: Place
    items: tuple[Expression, ...]
    depth: int

    @property
    def children(self) -> tuple[Expression, ...]:
        return self.items


@dataclass(frozen=True, slots=True)
class Index:
    """``value[indices]``."""

    place: Place
    value: Expression
    indices: tuple[Expression, ...]
    depth: int

    @property
    def children(self) -> tuple[Expression, ...]:
        return (self.value, *self.indices)


@dataclass(frozen=True, slots=True)
class Attribute:
    """``value.name``; the place is the name's."""

    place: Place
    value: Expression
    name: str
    depth: int

    @property
    def children(self) -> tuple[Expression, ...]:
        return (self.value,)


Expression: TypeAlias = Number | Name | Unary | Binary | Call | Tuple | Index | Attribute


@dataclass(frozen=True, slots=True)
class Text:
    """A string standing alone; the first of a file is its docstring."""

    place: Place
    value: str


@dataclass(frozen=True, slots=True)
class ParamDeclaration:
    """``param name = default in range``."""

    place: Place
    name: str
    default: Expression
    range: Expression | None


@dataclass(frozen=True, slots=True)
class VarDeclaration:
    """``var name, name: type``."""

    place: Place
    names: tuple[Name, ...]
    type: Name


@dataclass(frozen=True, slots=True)
class Return:
    """``return value``."""

    place: Place
    value: Expression


@dataclass(frozen=True, slots=True)
class Skip:
    """``pass`` or ``...``."""

    place: Place


@dataclass(frozen=True, slots=True)
class Assign:
    """``target SYMBOL value``; the symbol is ``=`` or such as ``+=``, `operator` is its place."""

    place: Place
    target: Expression
    symbol: str
    operator: Place
    value: Expression


@dataclass(frozen=True, slots=True)
class Bare:
    """An expression standing alone, such as ``NoOp()``."""

    place: Place
    value: Expression


Statement: TypeAlias = Text | ParamDeclaration | VarDeclaration | Return | Skip | Assign | Bare


@dataclass(frozen=True, slots=True)
class Function:
    """``def name(parameters):`` and its body."""

    place: Place
    name: str
    parameters: tuple[Name, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class File:
    """All that stands at the left margin, in order."""

    items: tuple[Statement | Function, ...]


def walk(expression: Expression) -> Iterator[Expression]:
    """`expression` and all below it, in the order in which they are written."""
    pending = [expression]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(node.children))
