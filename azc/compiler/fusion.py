"""Which instructions share a loop: the one rule by which emitted code makes fewer passes.

An op's index notation says what loop it runs in and how it reads its operands. Two instructions
can share a loop where the second reads what the first writes at the same index, and nothing that
is complete only after the loop. An instruction joins the nearest earlier loop that it may join,
moving before the instructions in between where these neither read nor write what it writes, nor
write what it reads. Rank-1 updates, scale-and-add, a matrix-vector product with elementwise ops
after it are all cases of this.

Kinds of statement, by index notation (operands -> result):

    scalar   ,->  ->            no loop
    vector   i,i->i  ,i->i      loop over i
    matrix   i,j->ij  ij->ij    loop over rows i, in it one over columns j
    rows     ij,j->i  ij->i     loop over rows i, in it a sum over columns j
    total    i,i->  ij->        a sum over all entries
    entry, kernel               one entry is set; all else, which the runtime's kernels do
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from azc.ops import ConstantKind, Op, Type
from azc.program import Address, Instruction

__all__ = [
    "Group",
    "Kind",
    "Statement",
    "Use",
    "fuse",
    "fuse_columns",
    "kind_of",
    "recompute",
    "statements",
    "uses",
    "value_count",
]

#: How many groups back a loop to join is looked for; programs of thousands of instructions would
#: take long otherwise.
_MOST_BACK = 64


class Kind(Enum):
    SCALAR = "scalar"
    VECTOR = "vector"
    MATRIX = "matrix"
    ROWS = "rows"
    TOTAL = "total"
    ENTRY = "entry"
    KERNEL = "kernel"


def kind_of(op: Op) -> Kind:
    """What kind of statement the op makes."""
    if op.entry:
        return Kind.ENTRY
    if op.random or "az_" in op.c:
        return Kind.KERNEL
    if op.reduction:
        kinds = {"": Kind.TOTAL, "i": Kind.ROWS}
        return kinds.get(op.result_indices, Kind.KERNEL)
    if "ji" in op.operand_indices:
        return Kind.KERNEL
    return (Kind.SCALAR, Kind.VECTOR, Kind.MATRIX)[len(op.result_indices)]


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One instruction: `kind`, the addresses it `reads` and the one it `writes`, and of the reads
    those of whole vectors while rows go by (`across`). `constants` and `places` say where its
    arguments begin, `draw` which random instruction of the program it is. `again`: it computes
    again what an earlier one did, for the next statement, whose loop it must share. `ahead`: it
    belongs to the next example."""

    instruction: Instruction
    constants: int
    places: int
    draw: int
    again: bool = False
    ahead: bool = False
    kind: Kind = field(init=False)
    reads: frozenset[Address] = field(init=False)
    writes: Address = field(init=False)
    across: frozenset[Address] = field(init=False)

    def __post_init__(self) -> None:
        instruction, op = self.instruction, self.instruction.op
        output = instruction.output
        assert output is not None, "an instruction without effect is never live"
        across = {
            Address(Type.VECTOR, number)
            for letters, number in zip(op.operand_indices, instruction.inputs, strict=True)
            if letters == "j"
        }
        object.__setattr__(self, "kind", kind_of(op))
        object.__setattr__(self, "reads", frozenset(instruction.reads))
        object.__setattr__(self, "writes", output)
        object.__setattr__(self, "across", frozenset(across))

    @property
    def operands(self) -> list[tuple[str, str, Address]]:
        """(name in expressions, index letters, address) of each operand."""
        instruction, op = self.instruction, self.instruction.op
        addresses = map(Address, op.inputs, instruction.inputs)
        return list(zip("ab", op.operand_indices, addresses, strict=False))

    @property
    def replaces(self) -> bool:
        """Whether nothing is left of what stood at the address before."""
        return self.kind is not Kind.ENTRY


def value_count(op: Op) -> int:
    """Constants of the op that are numbers, not indices of entries."""
    return sum(kind is not ConstantKind.INDEX for kind in op.constants)


def statements(bodies: Iterable[Sequence[Instruction]]) -> list[list[Statement]]:
    """The bodies of a structure's program as statements; arguments are counted through all."""
    constants = places = draws = 0
    result = []
    for body in bodies:
        made = []
        for instruction in body:
            op = instruction.op
            made.append(Statement(instruction, constants, places, draws))
            constants += value_count(op)
            places += op.entry
            draws += op.random
        result.append(made)
    return result


class Group:
    """Statements that run together: one alone, or those of one loop, in order.

    `nest`: the loop is over rows, or among the statements of a row over columns; otherwise over
    entries of vectors, or it is a single statement.
    """

    def __init__(self, members: Iterable[Statement], nest: bool) -> None:
        self.members: list[Statement] = []
        self.nest = nest
        self.reads: set[Address] = set()
        self.writes: set[Address] = set()
        #: Vectors that are read whole while rows go by.
        self.across: set[Address] = set()
        #: What its sums write: complete only after the loop.
        self.sums: set[Address] = set()
        for member in members:
            self.add(member)

    def add(self, statement: Statement) -> None:
        """Take in a statement that may join."""
        self.members.append(statement)
        self.reads |= statement.reads
        self.writes.add(statement.writes)
        self.across |= statement.across
        if statement.kind in (Kind.ROWS, Kind.TOTAL):
            self.sums.add(statement.writes)

    @property
    def kind(self) -> Kind:
        return self.members[0].kind

    def keeps_from_moving(self, statement: Statement) -> bool:
        """Whether `statement`, which comes after this group, must stay there."""
        return (
            not statement.reads.isdisjoint(self.writes)
            or statement.writes in self.writes
            or statement.writes in self.reads
        )


def _joins(statement: Statement, group: Group, *, totals: bool) -> bool:
    """Whether `statement`, which comes after the group, may run in its loop."""
    kind = statement.kind
    if not group.nest:
        return kind is Kind.VECTOR and group.kind is Kind.VECTOR
    if kind is Kind.TOTAL:
        if not totals or statement.instruction.op.inputs[0] is not Type.MATRIX:
            return False
    elif kind not in (Kind.VECTOR, Kind.MATRIX, Kind.ROWS):
        return False
    # Totals are complete, and vectors may be read across rows, only after the loop.
    totals_made = {address for address in group.sums if address.type is Type.SCALAR}
    return not (
        (statement.reads | {statement.writes}) & totals_made
        or statement.across & (group.writes | {statement.writes})
        or statement.writes in group.across
        or (kind is Kind.TOTAL and statement.writes in group.reads)
    )


def fuse(body: Sequence[Statement], *, rows: bool, totals: bool) -> list[Group]:
    """The body's statements in groups, to be run one after the other.

    `rows`: sums along rows share loops over rows, as do vector ops (otherwise each stands alone,
    for a routine that takes several rows at once); `totals`: so do sums over whole matrices.
    """
    groups: list[Group] = []
    for unit in _units(body):
        home = _home(unit, groups, rows=rows, totals=totals)
        if home:
            for statement in unit:
                home.add(statement)
            continue
        last = unit[-1]
        nest = (
            len(unit) > 1
            or last.kind is Kind.MATRIX
            or (rows and last.kind is Kind.ROWS and last.writes not in last.across)
        )
        groups.append(Group(unit, nest))
    return groups


def _units(body: Sequence[Statement]) -> list[list[Statement]]:
    """Statements that must stay together: one, after those that compute something again for it."""
    units: list[list[Statement]] = []
    for index, statement in enumerate(body):
        if index and body[index - 1].again:
            units[-1].append(statement)
        else:
            units.append([statement])
    return units


def _home(unit: list[Statement], groups: list[Group], *, rows: bool, totals: bool) -> Group | None:
    """The nearest earlier group whose loop all of the unit may join."""
    kinds = {Kind.VECTOR, Kind.MATRIX}
    if rows:
        kinds |= {Kind.ROWS, Kind.TOTAL}
    if unit[-1].kind not in kinds:
        return None
    for group in itertools.islice(reversed(groups), _MOST_BACK):
        apart = unit[-1].kind is Kind.VECTOR and group.nest and not rows
        if not apart and all(_joins(member, group, totals=totals) for member in unit):
            return group
        if any(group.keeps_from_moving(member) for member in unit):
            return None
    return None


def fuse_columns(row: Sequence[Statement], *, sums: bool) -> list[Group]:
    """The statements of one row of a nest in groups: loops over columns, and single statements.
    `sums`: the loops gather sums as well, which are complete after the loop."""
    groups: list[Group] = []
    for statement in row:
        across_columns = statement.kind is Kind.MATRIX or (
            sums and statement.kind in (Kind.ROWS, Kind.TOTAL)
        )
        home = None
        for group in itertools.islice(reversed(groups if across_columns else []), _MOST_BACK):
            if group.nest and not (statement.reads | {statement.writes}) & group.sums:
                home = group
                break
            if group.keeps_from_moving(statement):
                break
        if home:
            home.add(statement)
        else:
            groups.append(Group([statement], nest=across_columns))
    return groups


@dataclass(frozen=True, slots=True)
class Use:
    """Who reads the value that a statement writes: positions in the body, and whether it leaves
    the body, too."""

    positions: tuple[int, ...]
    leaves: bool


def uses(body: Sequence[Statement], live_out: Collection[Address]) -> list[Use]:
    """For each statement of a body who reads its value; `live_out` leave the body."""
    later = {address: Use((), True) for address in live_out}
    each_use: list[Use] = []
    for position in range(len(body) - 1, -1, -1):
        statement = body[position]
        each_use.append(later.get(statement.writes, _UNUSED))
        if statement.replaces:
            later[statement.writes] = _UNUSED
        for address in statement.reads:
            use = later.get(address, _UNUSED)
            later[address] = Use((position, *use.positions), use.leaves)
    return each_use[::-1]


_UNUSED = Use((), False)


# ---- computing twice ----------------------------------------------------------------------------

#: Statements of a chain that is computed again; each is a few operations an entry.
_MOST_AGAIN = 8


def recompute(body: list[Statement], live_out: Collection[Address]) -> list[Statement]:
    """The body with matrices computed again in each nest that reads them, where they come from
    vectors and scalars alone and these still stand: cheaper than a pass over memory, and such a
    matrix then needs none. What is not read any more is left out."""
    for _ in range(len(body)):
        extended = _recompute_one(body)
        if extended is None:
            break
        body = extended
    while True:
        used = uses(body, live_out)
        if _UNUSED not in used:
            return body
        body = [s for s, use in zip(body, used, strict=True) if use != _UNUSED]


def _recompute_one(body: list[Statement]) -> list[Statement] | None:
    """One chain inserted before a statement that would read its result from another nest."""
    groups = fuse(body, rows=True, totals=True)
    home = {id(member): group for group in groups for member in group.members}
    for index, statement in enumerate(body):
        if not home[id(statement)].nest:
            continue
        matrices = (address for address in statement.reads if address.type is Type.MATRIX)
        # In an order of their own: that of sets differs from one process to the next.
        for address in sorted(matrices, key=lambda matrix: matrix.number):
            chain = _chain(body, address, index)
            if chain is None or len(chain) > _MOST_AGAIN:
                continue
            if all(home[id(body[p])] is home[id(statement)] for p in chain):
                continue
            made = Group((body[p] for p in sorted(chain)), nest=True)
            if not _joins(statement, made, totals=True):
                continue
            last = {body[p].writes: _last_writer(body, body[p].writes, index) for p in chain}
            if set(last.values()) <= chain:
                again = [replace(body[p], again=True) for p in sorted(chain)]
                return [*body[:index], *again, *body[index:]]
    return None


def _last_writer(body: Sequence[Statement], address: Address, before: int) -> int | None:
    return next((p for p in range(before - 1, -1, -1) if body[p].writes == address), None)


def _chain(body: Sequence[Statement], address: Address, before: int) -> set[int] | None:
    """Indices of the statements that make the matrix at `address` as it is read at `before`, if
    all their vectors and scalars still stand there; None otherwise."""
    index = _last_writer(body, address, before)
    if index is None or body[index].kind is not Kind.MATRIX:
        return None
    chain = {index}
    for operand in body[index].reads:
        if operand.type is Type.MATRIX:
            inner = _chain(body, operand, index)
            if inner is None:
                return None
            chain |= inner
        elif any(body[p].writes == operand for p in range(index, before)):
            return None
    # What an inner part of the chain read must stand until `before` as well.
    for p in chain:
        for operand in body[p].reads:
            if operand.type is not Type.MATRIX and any(
                body[q].writes == operand for q in range(p, before)
            ):
                return None
    return chain
