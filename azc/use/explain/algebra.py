"""What instructions compute, as sums of products that people read: numbers and scalars before what
they multiply, like terms together, error and rate apart from what they scale.

This is the algebra of school: it holds but for rounding, infinities and NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from azc.ops import Op, Type
from azc.use.explain.families import (
    ADDS,
    LINEAR,
    MAXIMA,
    MINIMA,
    SCALES,
    SUBTRACTS,
)

__all__ = [
    "Atom",
    "Leaf",
    "Node",
    "Sum",
    "Term",
    "apply",
    "has_ops",
    "leaves",
    "number",
    "of",
    "size",
    "text",
]


@dataclass(frozen=True, slots=True)
class Leaf:
    """What is there under a name."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Node:
    """What an op makes of operands; `text` is how it is written, as in the op table."""

    text: str
    type: Type
    operands: tuple[Sum, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """`number` times all of `scalars` times `body`, a vector or matrix, or None."""

    number: float
    scalars: tuple[Atom, ...] = ()
    body: Atom | None = None


@dataclass(frozen=True, slots=True)
class Sum:
    """Terms of one type; none is zero."""

    type: Type
    terms: tuple[Term, ...] = ()


Atom = Leaf | Node | Sum

#: Ops that give zero for zero.
_KEEP_ZERO = {"abs", "norm", "transpose", "mean", "std", "bcast"}


def number(value: float) -> Sum:
    """A scalar that is known."""
    return Sum(Type.SCALAR, (Term(value),) if value != 0.0 else ())


def of(atom: Leaf | Node) -> Sum:
    """An atom as a sum of one term."""
    if atom.type is Type.SCALAR:
        return Sum(Type.SCALAR, (Term(1.0, (atom,)),))
    return Sum(atom.type, (Term(1.0, (), atom),))


def apply(op: Op, operands: Sequence[Sum], constants: Sequence[str]) -> Sum:
    """What `op` makes of these; not for ops that set one entry."""
    assert op.output is not None
    name = op.name
    if name in ADDS or name in SUBTRACTS:
        a, b = operands
        return _plus(a, b if name in ADDS else _scaled(b, -1.0))
    if name in LINEAR:
        return _product(op, operands)
    if name == "transpose":
        return _linear(op, operands)
    if name == "scalar_div" and (over := _known(operands[1])):
        return _scaled(operands[0], 1.0 / over)
    if name == "scalar_reciprocal" and (over := _known(operands[0])):
        return number(1.0 / over)
    if name in MAXIMA | MINIMA:
        return _extreme(op, operands)
    zero = operands and not any(each.terms for each in operands)
    if zero and (op.output is not Type.SCALAR or operands[0].type is not Type.SCALAR):
        word = op.text.partition("= ")[2].partition("(")[0]
        if word in _KEEP_ZERO or word == "heaviside":
            return Sum(op.output)
    return of(_node(op, operands, constants))


def _node(op: Op, operands: Sequence[Sum], constants: Sequence[str] = ()) -> Node:
    assert op.output is not None
    written = op.text.partition("= ")[2]
    for place, value in enumerate(constants):
        written = written.replace(f"{{c{place}}}", value)
    return Node(written, op.output, tuple(operands))


def _extreme(op: Op, operands: Sequence[Sum]) -> Sum:
    a, b = operands
    if a == b:
        return a
    assert op.output is not None
    if op.name in MAXIMA and not (a.terms and b.terms):
        return of(Node("relu({a})", op.output, (a if a.terms else b,)))
    return of(_node(op, operands))


def _known(value: Sum) -> float:
    """The number that a scalar is; 0 where it is none, or is zero."""
    if len(value.terms) == 1 and not value.terms[0].scalars and value.terms[0].body is None:
        return value.terms[0].number
    return 0.0


def _scaled(value: Sum, factor: float) -> Sum:
    return Sum(value.type, tuple(replace(t, number=t.number * factor) for t in value.terms))


def _plus(a: Sum, b: Sum) -> Sum:
    """Like terms are one; where only scalars differ, these are added first."""
    terms: list[Term] = []
    for term in (*a.terms, *b.terms):
        for place, other in enumerate(terms):
            if other.body == term.body and _same(other.scalars, term.scalars):
                terms[place] = replace(other, number=other.number + term.number)
                break
        else:
            terms.append(term)
    terms = [term for term in terms if term.number != 0.0]
    if a.type is Type.SCALAR:
        return _common(terms)
    grouped: list[Term] = []
    for term in terms:
        alike = [other for other in terms if other.body == term.body]
        if len(alike) == 1 or (isinstance(term.body, Leaf) and not all(t.scalars for t in alike)):
            # What is added to itself times something stays apart: so steps are seen.
            grouped.append(term)
        elif term is alike[0]:
            factor = _common([replace(each, body=None) for each in alike])
            grouped += [replace(each, body=term.body) for each in factor.terms] if (
                len(factor.terms) == 1
            ) else [Term(1.0, (factor,), term.body)]  # fmt: skip
    return Sum(a.type, tuple(grouped))


def _common(terms: list[Term]) -> Sum:
    """A sum of scalars, what all have in common before the rest."""
    if len(terms) < 2:
        return Sum(Type.SCALAR, tuple(terms))
    shared = [atom for atom in terms[0].scalars if all(atom in t.scalars for t in terms[1:])]
    shared = list(dict.fromkeys(shared))
    factor = abs(terms[0].number)
    if any(abs(term.number) != factor for term in terms):
        factor = 1.0
    if not shared and factor == 1.0:
        return Sum(Type.SCALAR, tuple(terms))
    rest = [Term(t.number / factor, _less(t.scalars, shared)) for t in terms]
    return Sum(Type.SCALAR, (Term(factor, (*shared, Sum(Type.SCALAR, tuple(rest)))),))


def _less(scalars: tuple[Atom, ...], gone: Sequence[Atom]) -> tuple[Atom, ...]:
    left = list(scalars)
    for atom in gone:
        left.remove(atom)
    return tuple(left)


def _same(a: tuple[Atom, ...], b: tuple[Atom, ...]) -> bool:
    left = list(b)
    for atom in a:
        if atom not in left:
            return False
        left.remove(atom)
    return not left


def _alone(value: Sum) -> Term:
    """The one term of a sum; several together are a body, or a scalar."""
    if len(value.terms) == 1:
        return value.terms[0]
    return Term(1.0, (value,)) if value.type is Type.SCALAR else Term(1.0, (), value)


def _product(op: Op, operands: Sequence[Sum]) -> Sum:
    """Numbers and scalars go before what is left to multiply."""
    assert op.output is not None
    if not all(each.terms for each in operands):
        return Sum(op.output)
    if op.name not in SCALES:
        return _linear(op, operands)
    a, b = (_alone(each) for each in operands)
    return Sum(op.output, (Term(a.number * b.number, (*a.scalars, *b.scalars), b.body),))


def _linear(op: Op, operands: Sequence[Sum]) -> Sum:
    assert op.output is not None
    if not all(each.terms for each in operands):
        return Sum(op.output)
    parts = [_alone(each) for each in operands]
    factor, bodies = 1.0, list[Sum]()
    scalars: tuple[Atom, ...] = ()
    for part, operand in zip(parts, operands, strict=True):
        factor *= part.number
        scalars = (*scalars, *part.scalars)
        assert part.body is not None, operand
        body = part.body
        bodies.append(body if isinstance(body, Sum) else of(body))
    made = _node(op, bodies)
    if op.output is Type.SCALAR:
        return Sum(op.output, (Term(factor, (*scalars, made)),))
    return Sum(op.output, (Term(factor, scalars, made),))


# ---- to read ------------------------------------------------------------------------------------

_ANY, _FACTOR, _DIVISOR = 0, 1, 2
Digits = Callable[[float], str]


def text(value: Sum, digits: Digits) -> str:
    """As the language writes it."""
    return _sum(value, _ANY, digits)


def _sum(value: Sum, place: int, digits: Digits) -> str:
    if not value.terms:
        return "0"
    first, *others = sorted(value.terms, key=lambda term: term.number < 0.0)
    written, binds = _term(first, digits)
    for term in others:
        added, _ = _term(replace(term, number=abs(term.number)), digits)
        written += f" {'-' if term.number < 0.0 else '+'} {added}"
    if others or first.number < 0.0:
        binds = _ANY
    return f"({written})" if binds < place else written


def _term(term: Term, digits: Digits) -> tuple[str, int]:
    """Its text, and how closely that binds."""
    atoms = [*term.scalars, *([] if term.body is None else [term.body])]
    factors = [
        _atom(atom, _FACTOR if place == 0 else _DIVISOR, digits) for place, atom in enumerate(atoms)
    ]
    sign = "-" if term.number < 0.0 else ""
    if abs(term.number) != 1.0 or not factors:
        factors.insert(0, digits(abs(term.number)))
    alone = len(factors) == 1 and not (atoms and _is_infix(atoms[0]))
    return sign + " * ".join(factors), _DIVISOR if alone else _FACTOR


def _is_infix(atom: Atom) -> bool:
    return isinstance(atom, Node) and (" / " in atom.text or " * " in atom.text)


def _atom(atom: Atom, place: int, digits: Digits) -> str:
    if isinstance(atom, Leaf):
        return atom.name
    if isinstance(atom, Sum):
        return _sum(atom, _DIVISOR if len(atom.terms) > 1 else place, digits)
    infix = _is_infix(atom)
    places = (_FACTOR, _DIVISOR) if infix else (_ANY, _ANY)
    if atom.text.startswith("1 /"):
        places = (_DIVISOR, _ANY)
    fields = {
        letter: _sum(operand, within, digits)
        for letter, operand, within in zip("ab", atom.operands, places, strict=False)
    }
    written = atom.text.format(**fields)
    return f"({written})" if infix and place == _DIVISOR and " * " not in atom.text else written


def leaves(value: Atom) -> Iterator[str]:
    """The names in it."""
    if isinstance(value, Leaf):
        yield value.name
    elif isinstance(value, Node):
        for operand in value.operands:
            yield from leaves(operand)
    else:
        for term in value.terms:
            for atom in term.scalars:
                yield from leaves(atom)
            if term.body is not None:
                yield from leaves(term.body)


def has_ops(value: Atom) -> bool:
    """Whether there is anything in it but sums and products with scalars."""
    if isinstance(value, Sum):
        atoms = (atom for term in value.terms for atom in (*term.scalars, term.body) if atom)
        return any(map(has_ops, atoms))
    return isinstance(value, Node)


def size(value: Atom) -> int:
    """How many ops it takes, products with scalars aside."""
    if isinstance(value, Leaf):
        return 0
    if isinstance(value, Node):
        return 1 + sum(map(size, value.operands))
    inside = sum(
        sum(map(size, term.scalars)) + (0 if term.body is None else size(term.body))
        for term in value.terms
    )
    return max(len(value.terms) - 1, 0) + inside
