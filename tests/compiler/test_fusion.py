"""Which statements share a loop, what is computed again, and that neither changes any value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import azc
from azc import library
from azc.analysis import needed
from azc.compiler.ahead import join
from azc.compiler.function import Function
from azc.compiler.fusion import (
    Group,
    Kind,
    Statement,
    fuse,
    fuse_columns,
    recompute,
    statements,
    uses,
)
from azc.compiler.structure import ENTRIES, LANES, structure_of
from azc.ops import OPS, Op, Type
from azc.program import Address, Instruction, Program

FEATURES, LABEL, PREDICTION = (
    Address(Type.VECTOR, 0),
    Address(Type.SCALAR, 0),
    Address(Type.SCALAR, 1),
)


def body(text: str) -> list[Statement]:
    """Statements of core text, one instruction a line."""
    lines = "".join(f"    {line.strip()}\n" for line in text.strip().splitlines())
    [found] = statements([azc.parse(f"def Learn():\n{lines}").learn])
    return found


def shown(groups: Iterable[Group]) -> list[list[str]]:
    return [[str(statement.instruction) for statement in group.members] for group in groups]


def address(text: str) -> Address:
    return Address(Type(text[0]), int(text[1:]))


def memory(text: str, features: int, layout: str) -> int:
    """Doubles that a program takes beside its examples, for registers of eight."""
    structure, _ = structure_of(azc.parse(text), classes=0, features=features, layout=layout)
    return Function(structure, 0, 8).sizes[2]


# ---- by hand: what shares a loop ----------------------------------------------------------------

TOGETHER = {
    "rank-1 update": """
        m1 = outer(v1, v2)
        m0 = m0 + m1""",
    "scale and add": """
        v2 = s2 * v0
        v1 = v1 + v2""",
    "scale and add of matrices": """
        m1 = s2 * m0
        m2 = m2 - m1
        m2 = abs(m2)""",
    "product and tail": """
        v1 = dot(m0, v0)
        v1 = v1 + v2
        v3 = bcast(s2)
        v1 = maximum(v1, v3)""",
    "update, and the product with what came of it": """
        m1 = outer(v1, v2)
        m0 = m0 + m1
        v3 = dot(m0, v0)""",
    "update of rows by their sums": """
        v1 = mean(m0, axis=1)
        m1 = bcast(v1, axis=0)
        m0 = m0 - m1""",
    "norm of what is made": """
        m0 = m0 * m1
        s2 = norm(m0)""",
    "result over operand": """
        v1 = v1 * v1
        v1 = 1 / v1""",
}


@pytest.mark.parametrize("name", TOGETHER)
def test_one_loop(name: str) -> None:
    assert len(fuse(body(TOGETHER[name]), rows=True, totals=True)) == 1


def test_one_loop_over_columns() -> None:
    for name in ("rank-1 update", "scale and add of matrices"):
        assert len(fuse_columns(body(TOGETHER[name]), sums=False)) == 1
    update = body(TOGETHER["update, and the product with what came of it"])
    assert len(fuse_columns(update, sums=True)) == 1
    assert len(fuse_columns(update, sums=False)) == 2
    # A row's mean is complete only after the loop over its columns.
    assert len(fuse_columns(body(TOGETHER["update of rows by their sums"]), sums=True)) == 2


def test_rows_and_totals_are_asked_for() -> None:
    matrix_vector = body(TOGETHER["product and tail"])
    assert shown(fuse(matrix_vector, rows=False, totals=False)) == [
        ["v1 = dot(m0, v0)"],
        ["v1 = v1 + v2", "v3 = bcast(s2)", "v1 = maximum(v1, v3)"],
    ]
    norm = body(TOGETHER["norm of what is made"])
    assert len(fuse(norm, rows=True, totals=False)) == 2
    update = body(TOGETHER["rank-1 update"])
    assert len(fuse(update, rows=False, totals=False)) == 1


def test_joins_the_loop_before_what_it_does_not_depend_on() -> None:
    assert shown(fuse(body("""
        v1 = v0 + v0
        s2 = dot(v0, v0)
        m0 = transpose(m1)
        v2 = v1 * v0
        s3 = s2 * s2
        v3 = v2 - v0
        """), rows=True, totals=True)) == [
        ["v1 = v0 + v0", "v2 = v1 * v0", "v3 = v2 - v0"],
        ["s2 = dot(v0, v0)"],
        ["m0 = transpose(m1)"],
        ["s3 = s2 * s2"],
    ]  # fmt: skip


# ---- by hand: what does not ---------------------------------------------------------------------

APART = {
    "reads across rows what the loop writes": """
        v1 = dot(m0, v0)
        v2 = dot(m1, v1)""",
    "writes what the loop reads across rows": """
        v2 = dot(m0, v1)
        v1 = v2 + v2""",
    "sums into what the loop reads across rows": """
        m0 = outer(v1, v2)
        v2 = norm(m0, axis=1)""",
    "writes what the product itself reads": """
        m1 = outer(v2, v3)
        v1 = dot(m1, v1)""",
    "reads a total": """
        s2 = norm(m0)
        m1 = s2 * m0""",
    "reads a total, in rows": """
        m0 = m0 + m1
        s2 = mean(m0)
        v1 = s2 * v0""",
    "writes over a total": """
        s2 = norm(m0)
        s2 = std(m0)""",
    "total over an operand": """
        m0 = s2 * m1
        s2 = norm(m0)""",
    "total of vectors": """
        v1 = v0 + v0
        s2 = dot(v1, v0)""",
    "vectors before matrices": """
        v1 = v0 + v0
        m0 = outer(v1, v0)""",
    "transpose": """
        m0 = m0 + m1
        m1 = transpose(m0)""",
    "down the columns": """
        m0 = m0 + m1
        v1 = norm(m0, axis=0)""",
    "matrix product": """
        m0 = m0 + m1
        m1 = matmul(m0, m0)""",
    "drawn": """
        v1 = v0 + v0
        v2 = gaussian(0, 1)""",
    "entry": """
        v1 = v0 + v0
        v1[0.5] = 1""",
}


@pytest.mark.parametrize("name", APART)
def test_not_in_one_loop(name: str) -> None:
    """The last statement is alone in its loop."""
    groups = fuse(body(APART[name]), rows=True, totals=True)
    assert len(groups) > 1
    assert len(groups[-1].members) == 1


def test_not_moved_before_what_reads_or_writes_its_result() -> None:
    for between in ("s2 = dot(v2, v0)", "v2[0.5] = 1", "v2 = gaussian(0, 1)", "v3 = exp_of_v2"):
        if between.endswith("exp_of_v2"):
            between = "m1 = outer(v2, v2)"
        groups = fuse(body(f"v1 = v0 + v0\n{between}\nv2 = v0 * v0"), rows=True, totals=True)
        assert shown(groups)[0] == ["v1 = v0 + v0"]
        assert "v2 = v0 * v0" not in shown(groups)[0]


def test_not_moved_before_what_makes_its_operand() -> None:
    groups = fuse(body("v1 = v0 + v0\ns2 = dot(v0, v0)\nv2 = s2 * v0"), rows=True, totals=True)
    assert len(groups) == 3


# ---- memory -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("features", "layout"), [(72, ENTRIES), (13, ENTRIES), (8, LANES)])
def test_no_memory_for_a_matrix_that_one_loop_makes_and_reads(features: int, layout: str) -> None:
    """The rank-1 update of a matrix needs that matrix alone."""
    text = """
def Predict():
    v1 = dot(m0, v0)
    s1 = mean(v1)
def Learn():
    s2 = s0 - s1
    v2 = s2 * v0
    m1 = outer(v1, v2)
    m0 = m0 + m1
"""
    matrix = features**2 * (8 if layout == LANES else 1)
    assert matrix <= memory(text, features, layout) < 2 * matrix


def test_large_bilinear_program_needs_its_two_matrices() -> None:
    """Of 3072 x 3072, 72 MiB each; its others are made again where they are read."""
    structure, _ = structure_of(library.load("bilinear"), classes=0, features=3072, layout=ENTRIES)
    assert 2 * 3072**2 <= Function(structure, 0, 8).sizes[2] < 2 * 3072**2 + 20 * 3072


# ---- values, as expressions ---------------------------------------------------------------------

F = 2
ENTRIES_OF = {kind: list(product(range(F), repeat=kind.rank)) for kind in Type}


class Values:
    """Memory whose cells hold expressions, written as numbers: equal expressions, equal numbers."""

    def __init__(self) -> None:
        self.known: dict[Any, int] = {}
        self.cells: dict[tuple[Address, tuple[int, ...]], int] = {}

    def number(self, expression: Any) -> int:
        return self.known.setdefault(expression, len(self.known))

    def copy(self) -> Values:
        """Another memory, where expressions have the same numbers."""
        other = Values()
        other.known, other.cells = self.known, dict(self.cells)
        return other

    def get(self, where: Address, entry: tuple[int, ...]) -> int:
        if (where, entry) not in self.cells:
            self.cells[where, entry] = self.number(("before", where, entry))
        return self.cells[where, entry]

    def all(self, where: Address) -> list[int]:
        return [self.get(where, entry) for entry in ENTRIES_OF[where.type]]

    def set_all(self, where: Address, values: Sequence[int]) -> None:
        self.cells.update(
            {(where, e): v for e, v in zip(ENTRIES_OF[where.type], values, strict=True)}
        )

    def differing(self, other: Values, among: Iterable[Address] | None = None) -> set[Address]:
        if among is None:
            among = {where for where, _ in (*self.cells, *other.cells)}
        return {where for where in among if self.all(where) != other.all(where)}

    # -- statements

    def addend(self, statement: Statement, indices: dict[str, int]) -> tuple[int, ...]:
        """The operands at one place of the op's loop."""
        op, inputs = statement.instruction.op, statement.instruction.inputs
        return tuple(
            self.get(Address(kind, number), tuple(indices[letter] for letter in letters))
            for kind, number, letters in zip(op.inputs, inputs, op.operand_indices, strict=True)
        )

    def result(
        self, statement: Statement, entry: tuple[int, ...], addends: Sequence[tuple[int, ...]]
    ) -> int:
        op = statement.instruction.op
        drawn = (statement.draw, entry, statement.ahead) if op.random else ()
        given = statement.constants if op.constants else ()
        return self.number((op.name, given, drawn, *addends))

    def addends(self, statement: Statement, entry: tuple[int, ...]) -> list[tuple[int, ...]]:
        """All that make one entry of the result, in their order."""
        op = statement.instruction.op
        indices = dict(zip(op.result_indices, entry, strict=True))
        summed = sorted(set("".join(op.operand_indices)) - set(indices))
        return [
            self.addend(statement, indices | dict(zip(summed, place, strict=True)))
            for place in product(range(F), repeat=len(summed))
        ]

    def run(self, body: Iterable[Statement]) -> None:
        """One statement after the other."""
        for statement in body:
            out = statement.writes
            entries = ENTRIES_OF[out.type]
            if statement.kind is Kind.ENTRY:
                # Two places of three may be the same entry.
                entries = [entries[statement.places % 3 % len(entries)]]
            made = [self.result(statement, e, self.addends(statement, e)) for e in entries]
            self.cells.update({(out, e): value for e, value in zip(entries, made, strict=True)})

    def run_groups(self, groups: Iterable[Group], *, sums: bool) -> None:
        """Loop by loop, as emitted code does."""
        for group in groups:
            if group.nest:
                self.run_nest(group, sums=sums)
            elif group.kind is Kind.VECTOR:
                for i in range(F):
                    self.run_at(group.members, (i,))
            else:
                assert len(group.members) == 1
                self.run(group.members)

    def run_at(self, members: Iterable[Statement], entry: tuple[int, ...]) -> None:
        for member in members:
            value = self.result(member, entry, self.addends(member, entry))
            self.cells[member.writes, entry] = value

    def run_nest(self, group: Group, *, sums: bool) -> None:
        columns = fuse_columns(group.members, sums=sums)
        totals: dict[int, list[tuple[int, ...]]] = {
            id(m): [] for m in group.members if m.kind is Kind.TOTAL
        }
        for i in range(F):
            for part in columns:
                if not part.nest:
                    self.run_at(part.members, (i,))
                    continue
                gathered = {id(m): [] for m in part.members} | totals
                for j in range(F):
                    for member in part.members:
                        if member.kind is Kind.MATRIX:
                            self.run_at([member], (i, j))
                        else:
                            addend = self.addend(member, {"i": i, "j": j})
                            gathered[id(member)].append(addend)
                for member in part.members:
                    if member.kind is Kind.ROWS:
                        value = self.result(member, (i,), gathered[id(member)])
                        self.cells[member.writes, (i,)] = value
        for member in group.members:
            if member.kind is Kind.TOTAL:
                self.cells[member.writes, ()] = self.result(member, (), totals[id(member)])


WITH_RESULT = [op for op in OPS if op.output]
#: Those that loops over matrices are made of.
IN_NESTS = [
    op
    for op in WITH_RESULT
    if not op.random and "az_" not in op.c and op.name not in ("matmul", "transpose", "column_norm")
    and Type.MATRIX in (*op.inputs, op.output)
]  # fmt: skip


def instruction(op: Op, out: int, first: int, second: int) -> Instruction:
    inputs = (first, second)[: len(op.inputs)]
    return Instruction(op, out, inputs, (0.5,) * len(op.constants))


def bodies(
    most: int, least: int = 0, ops: Sequence[Op] = (*WITH_RESULT, *IN_NESTS)
) -> st.SearchStrategy[list[Instruction]]:
    """Instructions over three addresses of each type, half of them on matrices."""
    number = st.integers(0, 2)
    made = st.builds(instruction, st.sampled_from(ops), number, number, number)
    return st.lists(made, min_size=least, max_size=most)


#: For what is rare among random bodies.
MORE = settings(max_examples=5 * settings().max_examples)
ADDRESSES = [Address(kind, number) for kind in Type for number in range(3)]
live_outs = st.sets(st.sampled_from(ADDRESSES))
modes = st.sampled_from([(False, False), (True, False), (True, True)])


@given(bodies(14), modes)
def test_fusing_keeps_all_dependencies(made: list[Instruction], mode: tuple[bool, bool]) -> None:
    """In another order each statement is there once, and reads what the same statements wrote."""
    [found] = statements([made])
    rows, totals = mode
    order = [s for group in fuse(found, rows=rows, totals=totals) for s in group.members]
    assert sorted(map(id, order)) == sorted(map(id, found))
    assert read_from(order) == read_from(found)


def read_from(order: Sequence[Statement]) -> dict[Any, int | None]:
    """By statement and address the statement whose write it sees; by address the last write."""
    last: dict[Address, int] = {}
    seen: dict[Any, int | None] = {}
    for statement in order:
        seen |= {(id(statement), where): last.get(where) for where in statement.reads}
        last[statement.writes] = id(statement)
    return seen | dict(last)


@MORE
@given(bodies(12), modes)
def test_loops_compute_the_same(made: list[Instruction], mode: tuple[bool, bool]) -> None:
    [found] = statements([made])
    rows, totals = mode
    expected = Values()
    in_loops = expected.copy()
    expected.run(found)
    in_loops.run_groups(fuse(found, rows=rows, totals=totals), sums=totals)
    assert in_loops.differing(expected) == set()


def all_read(made: list[Instruction], after: set[Address]) -> list[Statement]:
    [found] = statements([made])
    while unread := [u for u in uses(found, after) if not (u.positions or u.leaves)]:
        found = [s for s, u in zip(found, uses(found, after), strict=True) if u not in unread]
    return found


@MORE
@given(bodies(10, 2, IN_NESTS), live_outs)
def test_computing_again_changes_nothing(made: list[Instruction], after: set[Address]) -> None:
    """Neither one after the other nor in loops; and nothing is left that nobody reads. Of bodies
    whose every statement is read, as in live programs."""
    found = all_read(made, after)
    again = recompute(found, after)
    expected = Values()
    in_order, in_loops = expected.copy(), expected.copy()
    expected.run(found)
    in_order.run(again)
    assert in_order.differing(expected, after) == set()
    in_loops.run_groups(fuse(again, rows=True, totals=True), sums=True)
    assert in_loops.differing(expected, after) == set()
    assert all(use.positions or use.leaves for use in uses(again, after))


def test_computing_again_by_hand() -> None:
    """The gradient is needed before and after its norm is known; it never is in memory."""
    after = {address("m0"), address("s2")}
    made = recompute(
        body("""
            m1 = outer(v1, v2)
            s2 = norm(m1)
            m1 = s2 * m1
            m0 = m0 + m1"""),
        after,
    )
    assert shown(fuse(made, rows=True, totals=True)) == [
        ["m1 = outer(v1, v2)", "s2 = norm(m1)"],
        ["m1 = outer(v1, v2)", "m1 = s2 * m1", "m0 = m0 + m1"],
    ]
    found = uses(made, after)
    groups = fuse(made, rows=True, totals=True)
    home = {id(member): group for group in groups for member in group.members}
    for statement, use in zip(made, found, strict=True):
        if statement.writes == address("m1"):
            assert all(home[id(made[place])] is home[id(statement)] for place in use.positions)


def test_not_computed_again_for_a_loop_that_it_may_not_share() -> None:
    """The rows' norms would change the vector while it is read across rows."""
    after = {address("m0"), address("v1")}
    found = body("m0 = outer(v1, v1)\nv1 = norm(m0, axis=1)")
    assert shown(fuse(recompute(found, after), rows=True, totals=True)) == [
        ["m0 = outer(v1, v1)"],
        ["v1 = norm(m0, axis=1)"],
    ]


@pytest.mark.parametrize(
    "between", ["v1 = v1 + v0", "v2[0.5] = 1", "m1 = transpose(m1)", "m1 = gaussian(0, 1)"]
)
def test_not_computed_again_where_its_operands_have_changed(between: str) -> None:
    text = f"m1 = outer(v1, v2)\ns2 = norm(m1)\n{between}\nm2 = s2 * m1\nm0 = m0 + m2"
    found = body(text)
    made = recompute(found, {address("m0"), address("v1"), address("v2")})
    assert sum(statement.again for statement in made) == 0
    assert len(made) == len(found)


@given(bodies(10), live_outs)
def test_uses(made: list[Instruction], after: set[Address]) -> None:
    """As by following each value until it is replaced."""
    [found] = statements([made])
    for place, (statement, use) in enumerate(zip(found, uses(found, after), strict=True)):
        readers, stands = [], True
        for later in range(place + 1, len(found)):
            if stands and statement.writes in found[later].reads:
                readers.append(later)
            if found[later].writes == statement.writes and found[later].kind is not Kind.ENTRY:
                stands = False
        assert use.positions == tuple(readers)
        assert use.leaves == (stands and statement.writes in after)


# ---- from one example to the next ---------------------------------------------------------------


@given(bodies(6), bodies(8), bodies(8))
def test_flow(
    setup: list[Instruction], predict: list[Instruction], learn: list[Instruction]
) -> None:
    """What is not said to carry a value may hold anything: no prediction hangs on it."""
    found = statements([setup, predict, learn])
    kept = needed(Program(*map(tuple, (setup, predict, learn))), 0)
    usual = Values()
    spoilt = usual.copy()

    def spoil(kept: Iterable[Address], when: str) -> None:
        for where in set(ADDRESSES) - set(kept) - {FEATURES, LABEL}:
            marks = [spoilt.number((when, where, e)) for e in ENTRIES_OF[where.type]]
            spoilt.set_all(where, marks)

    def give(values: Values, when: str) -> None:
        for where in (FEATURES, LABEL):
            given = [values.number((when, where, e)) for e in ENTRIES_OF[where.type]]
            values.set_all(where, given)

    spoil(kept.before_setup, "before all")
    for values in (usual, spoilt):
        values.run(found[0])
    for example in range(3):
        spoil(kept.between, f"before {example}")
        for values in (usual, spoilt):
            give(values, f"example {example}")
            values.run(found[1])
        spoil(kept.after_predict, f"after Predict {example}")
        assert spoilt.get(PREDICTION, ()) == usual.get(PREDICTION, ())
        for values in (usual, spoilt):
            give(values, f"label {example}")
            values.run(found[2])


@pytest.mark.parametrize(
    ("setup", "predict", "learn", "between", "before"),
    [
        ("", "s1 = dot(v0, v1)", "v2 = s0 * v0\nv1 = v1 + v2", "v1", "v1"),
        ("s2 = 0.5", "s3 = mean(v0)\ns1 = s2 * s3", "s4 = s0 - s1", "s2", ""),
        ("s3 = s2 + s2", "s1 = s3 + s4", "s4 = s0 - s1", "s3 s4", "s2 s4"),
        ("", "s1 = s1 + s0", "s2 = s1 + s0", "s1", "s1"),
        ("", "v1 = v0 + v0\ns1 = mean(v1)", "v1[0.5] = 1", "", ""),
        ("", "v1[0.5] = 1\ns1 = mean(v1)", "v2 = v0 + v0", "v1", "v1"),
    ],
)
def test_flow_by_hand(setup: str, predict: str, learn: str, between: str, before: str) -> None:
    bodies = (body(text) if text else [] for text in (setup, predict, learn))
    program = Program(*(tuple(s.instruction for s in made) for made in bodies))
    found = needed(program, 0)
    assert found.between == {address(name) for name in between.split()}
    assert found.before_setup == {address(name) for name in before.split()}


# ---- Learn and the next Predict as one ----------------------------------------------------------


def check_join(learn: list[Instruction], predict: list[Instruction]) -> bool:
    """Whether they can be joined; if so, that the same stands everywhere afterwards."""
    _, after, before = statements([[], predict, learn])
    joined = join(before, after, FEATURES, LABEL)
    if joined is None:
        return False
    body, renamed = joined
    apart = Values()
    new = [apart.number(("next example", entry)) for entry in ENTRIES_OF[Type.VECTOR]]
    together = apart.copy()
    apart.run(before)
    apart.set_all(FEATURES, new)
    next_predict = [statement.instruction for statement in body if statement.ahead]
    assert len(next_predict) == len(after)
    for statement in after:
        object.__setattr__(statement, "ahead", True)
    apart.run(after)
    together.set_all(renamed[FEATURES], new)
    together.run(body)
    for old, later in renamed.items():
        together.set_all(old, together.all(later))
    assert together.differing(apart, ADDRESSES) == set()
    return True


@given(bodies(8, 1), bodies(8, 1))
def test_joined_with_the_next_prediction(
    learn: list[Instruction], predict: list[Instruction]
) -> None:
    check_join(learn, predict)


def test_joined_by_hand() -> None:
    learn = azc.parse("def Learn():\n    m1 = outer(v1, v0)\n    m0 = m0 + m1\n").learn
    predict = azc.parse("def Learn():\n    v1 = dot(m0, v0)\n    s1 = mean(v1)\n").learn
    assert check_join([*learn], [*predict])
    body, _ = join(*statements([learn, predict]), FEATURES, LABEL) or ([], {})
    assert len(fuse(body, rows=True, totals=True)[0].members) == 3
    # The prediction's total is all that is left.
    assert len(fuse(body, rows=True, totals=True)) == 2


@pytest.mark.parametrize(
    ("learn", "predict"),
    [
        ("m0 = m0 + m1", "s2 = s0 + s1\nm0 = s2 * m0"),
        ("m0 = m0 + m1", "m0 = abs(m0)\nv0 = v0 + v0"),
        ("m0 = m0 + m1\nv0 = v0 + v0", "m0 = abs(m0)"),
        ("v1 = v1 + v0", "m0 = abs(m0)"),
        ("m0 = m0 + m1", "v1 = v1 + v0"),
    ],
)
def test_not_joined(learn: str, predict: str) -> None:
    """Where the next prediction reads the label, an input is written, or nothing is gained."""
    assert join(body(learn), body(predict), FEATURES, LABEL) is None
