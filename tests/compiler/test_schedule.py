"""What runs in which loop, and where values are held."""

from __future__ import annotations

from azc import library
from azc.analysis import live
from azc.compiler.fusion import statements
from azc.compiler.memory import Memory
from azc.compiler.schedule import Run, schedule
from azc.compiler.structure import ENTRIES, LANES, structure_of
from azc.program import Address


def nodes(which, *, lanes, deep=False):
    program = live(library.load("network"), 0)
    body = statements(body for _, body in program.functions())[which]
    return schedule(
        body, {a for a in program.addresses() if str(a) in AFTER}, lanes=lanes, deep=deep
    )


#: What of the network's addresses leaves Predict and Learn.
AFTER = {"s1", "s4", "v1", "v2", "v3", "v4", "m0"}


def shown(node):
    """How the node runs; of each step its address, in brackets if it is held, with ! if stored."""
    marks = [
        f"[{step.statement.writes}]{'!' * step.stored}"
        if step.held
        else f"{step.statement.writes}!"
        for step in node.steps
    ]
    return f"{node.run.value}: {' '.join(marks)}"


def test_one_task():
    assert [shown(node) for node in nodes(1, lanes=False)] == [
        "alone: v3!",
        "vectors: [v3]! v4!",
        "alone: s1!",
        "alone: s1!",
    ]
    assert "rows: [m1] m0!" in [shown(node) for node in nodes(2, lanes=False)]


def test_lanes_share_loops_over_rows():
    first = nodes(1, lanes=True)[0]
    assert first.run is Run.ROWS
    assert shown(first) == "rows: [v3] [v3]! v4!"


def test_a_matrix_of_one_loop_has_no_memory():
    program = library.load("network")
    for layout in (LANES, ENTRIES):
        structure, _ = structure_of(program, classes=0, features=16, layout=layout)
        memory = Memory(structure, 8)
        assert not [cell for cell in memory.cells if cell.type.rank == 2]


def test_vectors_that_nothing_touches_have_no_room():
    structure, _ = structure_of(library.load("linear"), classes=0, features=16, layout=ENTRIES)
    memory = Memory(structure, 8)
    vectors = {a for a in memory.used if a.type.rank == 1}
    assert memory.local <= vectors
    memory.drop_untouched()
    assert not memory.local - memory.needed.between
    assert Address(memory.features.type, 0) == memory.features
