"""What an entry of the op table holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

__all__ = ["ConstantKind", "Op", "Type"]


class Type(Enum):
    """The three address spaces; the value is the letter in addresses such as ``v3``."""

    SCALAR = "s"
    VECTOR = "v"
    MATRIX = "m"

    # Of the member as it is, not of its name: addresses are hashed often.
    __hash__ = object.__hash__

    @property
    def rank(self) -> int:
        """Number of indices: 0, 1 or 2."""
        return "svm".index(self.value)

    @property
    def label(self) -> str:
        """``scalar``, ``vector`` or ``matrix``."""
        return self.name.lower()


class ConstantKind(Enum):
    """How a constant is drawn at random and how a mutation alters it (reference, `instruction.cc`).

    Value: (name, low, high, mutation). Drawn from U[low, high). Mutation `scale` multiplies by
    exp(N(0, 1)) or, with probability 0.1, flips the sign; `scale-positive` only multiplies;
    `redraw` draws anew; `scale-sorted` is `scale`, then the op's two constants are sorted.
    """

    VALUE = ("value", -1.0, 1.0, "scale")
    INDEX = ("index", 0.0, 1.0, "redraw")
    MEAN = ("mean", -1.0, 1.0, "scale")
    STD = ("std", 0.0, 1.0, "scale-positive")
    BOUND = ("bound", -1.0, 1.0, "scale-sorted")

    @property
    def label(self) -> str:
        return self.value[0]

    @property
    def low(self) -> float:
        return self.value[1]

    @property
    def high(self) -> float:
        return self.value[2]

    @property
    def mutation(self) -> str:
        return self.value[3]


_RANK_TO_TYPE = (Type.SCALAR, Type.VECTOR, Type.MATRIX)


@dataclass(frozen=True)  # without slots, so that what follows from the fields is found out once
class Op:
    """One op.

    `index` is its meaning in index notation, operands before the arrow, result after it:
    ``"ij,j->i"`` reads m[i][j] and v[j], writes v[i]; an index that the result lacks is summed
    over. Types, loops and cost follow from it. ``""`` is no effect at all.

    `c` is the C expression of one iteration over ``a``, ``b`` (entries of the operands), ``c0``,
    ``c1`` (constants), ``u``, ``w`` (uniform draws on (0, 1), random ops only). Where `sums` is
    given, it holds the C expressions summed over the missing indices, and `c` computes the result
    from the totals ``t0``, ``t1`` and the number of entries ``n``.

    `numpy` is the same op as a NumPy expression over whole operands: an independent witness, so
    it must not be derived from `c`. ``total(x, axis=None)`` there is the sum in the fixed order.
    """

    number: int
    name: str
    text: str
    index: str
    c: str
    numpy: str
    sentence: str
    sums: tuple[str, ...] = ()
    constants: tuple[ConstantKind, ...] = ()
    commutative: bool = False
    random: bool = False
    entry: bool = False
    weight: float = 1.0

    @property
    def paper(self) -> str:
        """The paper's name for it, such as ``OP27``."""
        return f"OP{self.number}"

    @property
    def symmetric(self) -> bool:
        """Whether operands may swap but for ties and NaN: if it is commutative, or the smaller or
        larger of two."""
        return self.commutative or (len(self.operand_indices) == 2 and " ? " in self.c)

    @property
    def adds(self) -> bool:
        """Whether it adds something to its first operand, or subtracts it from that."""
        return self.c in ("a + b", "a - b")

    @cached_property
    def operand_indices(self) -> tuple[str, ...]:
        """The index letters of each operand, such as ``("ij", "j")``."""
        before = self.index.partition("->")[0]
        return tuple(before.split(",")) if self.has_operands else ()

    @cached_property
    def result_indices(self) -> str:
        """The index letters of the result, such as ``"i"``."""
        return self.index.partition("->")[2]

    @cached_property
    def has_operands(self) -> bool:
        """Whether the op has operands; ``"->i"`` alone cannot tell none from one scalar."""
        return "{a}" in self.text

    @property
    def constant_names(self) -> tuple[str, ...]:
        """A name for each constant: its kind, numbered where the op has several of one."""
        labels = [kind.label for kind in self.constants]
        return tuple(
            f"{label}{labels[: which + 1].count(label)}" if labels.count(label) > 1 else label
            for which, label in enumerate(labels)
        )

    def spelled(self, out: str, operands: Iterable[str]) -> str:
        """`text` with the given addresses and the constants' names."""
        fields = {f"c{which}": name for which, name in enumerate(self.constant_names)}
        fields.update(zip("ab", operands, strict=False))
        return self.text.format(out=out, **fields)

    @cached_property
    def inputs(self) -> tuple[Type, ...]:
        """Operand types, in order."""
        return tuple(_RANK_TO_TYPE[len(letters)] for letters in self.operand_indices)

    @cached_property
    def output(self) -> Type | None:
        """Result type; None for the op without effect."""
        return _RANK_TO_TYPE[len(self.result_indices)] if self.index else None

    @property
    def reduction(self) -> bool:
        """Whether it sums over an index."""
        return bool(self.sums)

    @property
    def elementwise(self) -> bool:
        """Whether entry k of the result depends on entry k of each same-shaped operand alone,
        so that it may overwrite an operand."""
        return (
            bool(self.index)
            and not self.reduction
            and all(letters in ("", self.result_indices) for letters in self.operand_indices)
        )

    def iterations(self, features: int) -> int:
        """Innermost iterations at `features` entries per vector."""
        letters = set(self.index) - {",", "-", ">"}
        return 0 if not self.index else 1 if self.entry else features ** len(letters)

    def cost(self, features: int) -> float:
        """Relative cost of one execution: 1 is one addition; 2 is what a dispatch costs."""
        return 2.0 + self.weight * self.iterations(features)
