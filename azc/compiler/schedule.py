"""What runs in which loop: a body's statements as nodes, and where each value is held.

    v3 = dot(m0, v0)            rows      v3 in a variable, and stored
    v3 = v3 + v1          ->              v3 in a variable, and stored
    v4 = maximum(v3, v7)                  v4 stored
    s1 = dot(v2, v4)            alone

Nothing here knows how memory is laid out, nor how code is spelled.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum

from azc.compiler.fusion import (
    Group,
    Kind,
    Statement,
    Use,
    fuse,
    fuse_columns,
    recompute,
    uses,
)
from azc.program import Address

__all__ = ["Node", "Part", "Run", "Step", "schedule"]


class Run(Enum):
    """How a node runs."""

    ALONE = "alone"  # one statement, in no loop or in one of its own
    VECTORS = "vectors"  # elementwise on vectors
    ROWS = "rows"  # row by row of matrices


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A statement in its loop. `held`: its value is in a variable, for those that read it there;
    `stored`: it is in memory, for others. `position` numbers it in its body."""

    statement: Statement
    position: int
    held: bool
    stored: bool


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Steps of one row: a loop over `columns`, or one step that is none. Entries of the vectors
    `across` are read by column."""

    steps: list[Step]
    columns: bool
    across: frozenset[Address]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """Steps that run together, in order; `parts` are those of a row."""

    run: Run
    steps: list[Step]
    parts: list[Part]

    @property
    def totals(self) -> bool:
        """Whether it sums over whole matrices."""
        return any(step.statement.kind is Kind.TOTAL for step in self.steps)


def schedule(
    statements: list[Statement], after: Collection[Address], *, lanes: bool, deep: bool
) -> list[Node]:
    """A body as nodes, to be run one after the other; the values at the addresses `after` leave it.
    `deep`: a pass over a matrix costs more than computing again."""
    if deep:
        statements = recompute(statements, after)
    positions = {id(statement): position for position, statement in enumerate(statements)}
    used = uses(statements, after)
    return [
        _node(group, positions, used, deep) for group in _groups(statements, lanes=lanes, deep=deep)
    ]


def _groups(statements: Sequence[Statement], *, lanes: bool, deep: bool) -> list[Group]:
    groups = []
    for group in fuse(statements, rows=lanes or deep, totals=deep):
        # Without a matrix to share, several rows at once are better than one by one.
        if deep and all(m.kind in (Kind.ROWS, Kind.VECTOR) for m in group.members):
            groups += fuse(group.members, rows=False, totals=False)
        else:
            groups.append(group)
    return groups


def _node(group: Group, positions: dict[int, int], used: Sequence[Use], deep: bool) -> Node:
    def step(statement: Statement, members: Sequence[Statement]) -> Step:
        position = positions[id(statement)]
        use, inside = used[position], {positions[id(member)] for member in members}
        stays = not use.leaves and inside.issuperset(use.positions)
        held = not inside.isdisjoint(use.positions) or (stays and statement.kind is Kind.MATRIX)
        return Step(statement, position, held, stored=not (held and stays))

    steps = [step(member, group.members) for member in group.members]
    if not group.nest:
        return Node(Run.VECTORS if group.kind is Kind.VECTOR else Run.ALONE, steps, [])
    parts = []
    for part in fuse_columns(group.members, sums=deep):
        # Entries of matrices are held for one column, those of vectors for the whole row.
        own = [
            step(m, part.members if m.kind is Kind.MATRIX else group.members) for m in part.members
        ]
        parts.append(Part(own, part.nest, frozenset(part.across)))
    return Node(Run.ROWS, steps, parts)
