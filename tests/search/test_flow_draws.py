"""Mutations that know the data flow: what they draw, against probabilities worked out by hand.

The programs are small, and most ops are ones whose constants tell their instructions apart, so that
what was drawn can be read off the mutant.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from search.chance import LEAST_P, fits, follows, uniform
from search.reference_drawing import Spec

from azc import parse
from azc.program import Instruction, Program

#: v1 is learned; s2 is its rate.
LINEAR = """
def Setup():
    s2 = 0.25
def Predict():
    s1 = dot(v0, v1)
def Learn():
    s3 = s0 - s1
    s3 = s3 * s2
    v2 = s3 * v0
    v1 = v1 + v2
"""
SETUP, PREDICT, LEARN = range(3)
#: What each instruction of LINEAR, and the end, stands before: what is needed there and not given.
NEEDED = {
    PREDICT: [("s2", "v1"), ("s1", "s2", "v1")],
    LEARN: [
        ("s1", "s2", "v1"), ("s2", "s3", "v1"), ("s2", "s3", "v1"), ("s2", "v1", "v2"),
        ("s2", "v1"),
    ],
}  # fmt: skip

#: In place of its prediction: with states that Learn does not write.
WITH_BIAS = "s1 = dot(v0, v1)\n    s1 = s1 + s4"
BIASED = "v2 = v0 + v3\n    s1 = dot(v2, v1)\n    s1 = s1 + s4"

Bodies = tuple[tuple[Instruction, ...], ...]


@pytest.fixture(scope="session")
def many(full: bool) -> int:
    return 200_000 if full else 10_000


def space(*ops: Sequence[str], addresses: tuple[int, int, int] = (8, 20, 0)) -> Spec:
    return Spec(
        addresses=addresses, ops=tuple(map(tuple, ops)), least=(0, 0, 0), most=(9, 19, 22),
        first=(0, 0, 0),
    )  # fmt: skip


def bodies(program: Program) -> Bodies:
    return tuple(body for _, body in program.functions())


def mutants(spec: Spec, program: Program, mutation: str, count: int) -> Iterator[Bodies]:
    core = replace(spec, mutations=(mutation,)).core()
    packed = program.packed()
    for k in range(count):
        yield bodies(Program.unpacked(core.mutate(packed, 1, k)[1]))


def new_ones(before: Sequence[Instruction], after: Sequence[Instruction]) -> list[int]:
    """Positions in `after` of what was put in."""
    left = Counter(before)
    positions = []
    for position, instruction in enumerate(after):
        if left[instruction]:
            left[instruction] -= 1
        else:
            positions.append(position)
    return positions


# ---- where and what ------------------------------------------------------------------------------


def test_what_is_needed_at_a_place_is_drawn_evenly(many: int) -> None:
    """Of eight insertions one is in Setup, two in Predict, five in Learn; then all places are
    alike, and at each the addresses that are needed there."""
    constants = ("scalar_gaussian", "vector_gaussian")
    linear = parse(LINEAR)
    found: Counter[object] = Counter()
    for mutant in mutants(space(constants, constants, constants), linear, "insert-live", many):
        for f, (before, after) in enumerate(zip(bodies(linear), mutant, strict=True)):
            for position in new_ones(before, after):
                found[f, position if f else None, str(after[position].output)] += 1
    # In Setup: what is a constant gets another value, what is zero gets one.
    expected: dict[object, float] = {(SETUP, None, "s2"): 1 / 16, (SETUP, None, "v1"): 1 / 16}
    for f, share in ((PREDICT, 2 / 8), (LEARN, 5 / 8)):
        for position, needed in enumerate(NEEDED[f]):
            for address in needed:
                expected[f, position, address] = share / len(NEEDED[f]) / len(needed)
    fits(found, expected)


def test_ops_with_that_result_are_drawn_evenly(many: int) -> None:
    ops = ("scalar_const", "scalar_gaussian", "scalar_uniform", "vector_gaussian", "vector_uniform")
    linear = parse(LINEAR)
    found: dict[str, list[str]] = {"scalar": [], "vector": []}
    for mutant in mutants(space((), (), ops), linear, "insert-live", many):
        for position in new_ones(bodies(linear)[LEARN], mutant[LEARN]):
            name = mutant[LEARN][position].op.name
            found[name.split("_")[0]].append(name)
    for kind, names in found.items():
        assert len(names) > many / 8
        uniform(names, [op for op in ops if op.startswith(kind)])


def test_states_without_an_update_are_drawn_evenly(many: int) -> None:
    """And all places in Learn; what the last instruction writes is the state."""
    biased = parse(LINEAR.replace("s1 = dot(v0, v1)", BIASED))
    before = bodies(biased)[LEARN]
    found = []
    for mutant in mutants(
        space((), (), ("scalar_add", "vector_add")), biased, "update-state", many
    ):
        positions = new_ones(before, mutant[LEARN])
        assert positions == list(range(positions[0], positions[-1] + 1))
        found.append((positions[0], str(mutant[LEARN][positions[-1]].output)))
    uniform(found, itertools.product(range(5), ("s4", "v3")))


# ---- operands ------------------------------------------------------------------------------------


def test_operands_of_what_is_put_in(many: int) -> None:
    """Seven times in ten the instruction updates its own value, on either side; every other operand
    is an expression: half the time one of what is written, the features and one address of zeros,
    else an op of two more, down to two deep."""
    linear = parse(LINEAR)
    before = bodies(linear)[LEARN]
    found: Counter[object] = Counter()
    ops: Counter[object] = Counter()
    for mutant in mutants(space((), (), ("vector_add",)), linear, "insert-live", 4 * many):
        positions = new_ones(before, mutant[LEARN])
        if not positions:
            continue  # a scalar was to be written, or a function to be changed that has no ops
        last = mutant[LEARN][positions[-1]]
        updates = tuple(number == last.out for number in last.inputs)
        found[updates] += 1
        if sum(updates) == 1:
            ops[len(positions) - 1] += 1  # that the other operand takes
    own = 0.5 / 4  # an expression is that very address: one of v0, v1, v2 and one of zeros
    one_side = 0.7 * 0.5 * (1 - own) + 0.3 * own * (1 - own)
    fits(found, {
        (True, False): one_side, (False, True): one_side,
        (True, True): 0.7 * own + 0.3 * own**2, (False, False): 0.3 * (1 - own) ** 2,
    })  # fmt: skip
    # Its first op has two operands, each of which is a leaf or an op of two leaves.
    shares = {0: 0.5 - own, 1: 0.5 / 4, 2: 0.5 / 2, 3: 0.5 / 4}
    fits(ops, {count: share / (1 - own) for count, share in shares.items()})


@pytest.mark.parametrize(
    ("op", "share", "own"),
    [
        # v1 is one of four: v0, v1, v2, zeros. s4 may be the zero of s0, s1, s2, s3, zero, of which
        # there are s4 to s19.
        ("vector_add", 0.2, 1 / 4),
        ("scalar_add", 0.3, 1 / 5 / 16),
    ],
)
def test_constants_are_made_on_demand(op: str, share: float, own: float, many: int) -> None:
    """A leaf is a new constant three times in ten if it is a scalar, two if a vector."""
    text = LINEAR if op == "vector_add" else LINEAR.replace("s1 = dot(v0, v1)", WITH_BIAS)
    program = parse(text)
    made: Counter[object] = Counter()
    spec = space(("scalar_const", "vector_gaussian"), (), (op,), addresses=(20, 20, 0))
    for mutant in mutants(spec, program, "update-state", 2 * many):
        positions = new_ones(bodies(program)[LEARN], mutant[LEARN])
        last = mutant[LEARN][positions[-1]]
        if len(positions) == 1 and set(last.inputs) != {last.out}:
            made[len(mutant[SETUP]) - len(bodies(program)[SETUP])] += 1
    new = share / (share + (1 - share) * (1 - own))
    fits(made, {0: 1 - new, 1: new})


def test_an_operand_is_replaced_one_time_in_four(many: int) -> None:
    """In Learn two times in three; on either side; by what an expression may begin with."""
    program = parse("def Predict():\n  s1 = s2 + s3\ndef Learn():\n  s2 = s1 + s0\n")
    spec = space((), ("scalar_add",), ("scalar_add",), addresses=(8, 1, 0))
    found: Counter[object] = Counter()
    for mutant in mutants(spec, program, "grow-operand", 4 * many):
        changed: object = "unchanged, or grown"
        for f in (PREDICT, LEARN):
            (old,), new = bodies(program)[f], mutant[f]
            if len(new) == 1 and new[0] != old:
                (side,) = (i for i in range(2) if new[0].inputs[i] != old.inputs[i])
                changed = f, side, new[0].inputs[side]
        found[changed] += 1
    expected: dict[object, float] = {}
    zeros = range(3, 8)  # one of these, so that each has a fifth of its share
    for f, share, known in ((PREDICT, 1 / 3, (1, 2)), (LEARN, 2 / 3, (0, 1, 2))):
        (old,) = bodies(program)[f]
        for side, operand in enumerate(old.inputs):
            each = share / 2 / 4 / (len(known) + 1)
            of = dict.fromkeys(known, each) | dict.fromkeys(zeros, each / len(zeros))
            expected |= {(f, side, new): p for new, p in of.items() if new != operand}
    expected["unchanged, or grown"] = 1 - sum(expected.values())
    fits(found, expected)


# ---- what takes away, moves and scales -----------------------------------------------------------


def numbered(count: int, first: int) -> str:
    return "".join(f"  s1 = {first + i}\n" for i in range(count))


def shown(mutant: Bodies) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(i.constants[0]) for i in body) for body in mutant)


MANY = parse(
    f"def Setup():\n{numbered(2, 10)}"
    f"def Predict():\n{numbered(4, 20)}"
    f"def Learn():\n{numbered(3, 30)}"
)
CONSTANTS = (("scalar_const",),) * 3


def test_every_instruction_is_bypassed_alike(many: int) -> None:
    before = shown(bodies(MANY))
    outcomes = [
        tuple(body[:i] + body[i + 1 :] if g == f else body for g, body in enumerate(before))
        for f in range(3)
        for i, body in enumerate([before[f]] * len(before[f]))
    ]
    uniform(map(shown, mutants(space(*CONSTANTS), MANY, "bypass", many)), outcomes)


def test_what_read_it_reads_an_operand_half_the_time(many: int) -> None:
    program = parse("def Predict():\n  s2 = s3 + s4\n  s1 = s2 + s5\n")
    spec = space((), ("scalar_add",), ())
    found = Counter(
        tuple((i.out, *i.inputs) for i in mutant[PREDICT])
        for mutant in mutants(spec, program, "bypass", many)
    )
    fits(found, {
        ((2, 3, 4),): 1 / 2, ((1, 2, 5),): 1 / 4, ((1, 3, 5),): 1 / 8, ((1, 4, 5),): 1 / 8,
    })  # fmt: skip


def test_moves_are_uniform(many: int) -> None:
    """Predict or Learn; from any place, to any other."""
    before = shown(bodies(MANY))
    expected: Counter[object] = Counter()
    for f in (PREDICT, LEARN):
        for i, j in itertools.permutations(range(len(before[f])), 2):
            body = list(before[f])
            body.insert(j, body.pop(i))
            moved = tuple(tuple(body) if g == f else before[g] for g in range(3))
            expected[moved] += 0.5 / (len(before[f]) * (len(before[f]) - 1))
    fits(Counter(map(shown, mutants(space(*CONSTANTS), MANY, "move", many))), expected)


def test_every_constant_is_altered_alike(many: int) -> None:
    """Those of a function that is not searched are left; the sign of one in ten changes, others are
    scaled."""
    program = parse(
        "def Setup():\n  s2 = 0.5\n  v1 = gaussian(0.25, 0.75)\n"
        "def Predict():\n  s1 = 0.5\ndef Learn():\n  s3 = gaussian(0.25, 0.75)\n"
    )
    found, ratios = [], []
    spec = space(("scalar_const",), (), ("scalar_const",))
    for mutant in mutants(spec, program, "alter-constant", many):
        (change,) = (
            (f, i, j, new / old)
            for f, (before, after) in enumerate(zip(bodies(program), mutant, strict=True))
            for i, (one, other) in enumerate(zip(before, after, strict=True))
            for j, (old, new) in enumerate(zip(one.constants, other.constants, strict=True))
            if new != old
        )
        found.append(change[:3])
        if change[:2] == (SETUP, 0):
            ratios.append(change[3])
    uniform(found, [(0, 0, 0), (0, 1, 0), (0, 1, 1), (2, 0, 0), (2, 0, 1)])
    flipped = [ratio for ratio in ratios if ratio < 0]
    assert set(flipped) == {-1.0}
    assert stats.binomtest(len(flipped), len(ratios), 0.1).pvalue > LEAST_P
    follows(np.log([ratio for ratio in ratios if ratio > 0]), stats.norm)


def test_constants_on_a_logarithmic_scale(many: int) -> None:
    """Three decades up to one, either sign."""
    spec = replace(space(("scalar_const",), (), ()), least=(1, 0, 0), first=(1, 0, 0), decades=3.0)
    core = spec.core()
    programs = (Program.unpacked(core.random(1, k)) for k in range(many))
    drawn = np.array([program.setup[0].constants[0] for program in programs])
    uniform((drawn > 0).tolist(), [True, False])
    follows(np.log10(np.abs(drawn)), stats.uniform(-3, 3))


def test_constants_near_one(many: int) -> None:
    """The distance to 1 is on the logarithmic scale then, as often as asked."""
    some = replace(
        space(("scalar_const",), (), ()), least=(1, 0, 0), first=(1, 0, 0), decades=3.0,
        near_one=0.25,
    )  # fmt: skip
    for spec in (some, replace(some, near_one=1.0)):
        core = spec.core()
        programs = (Program.unpacked(core.random(1, k)) for k in range(many))
        drawn = np.array([program.setup[0].constants[0] for program in programs])
        negative = int(np.count_nonzero(drawn < 0))
        assert stats.binomtest(negative, many, (1 - spec.near_one) / 2).pvalue > LEAST_P
    follows(np.log10(1 - drawn), stats.uniform(-3, 3))


def test_half_of_the_time_the_distance_to_one_is_altered(many: int) -> None:
    program = parse(f"def Setup():\n  s2 = {1 - 2**-20}\ndef Predict():\n  s1 = dot(v0, v0)\n")
    spec = replace(space(("scalar_const",), (), ()), decades=3.0, near_one=0.25)
    after = mutants(spec, program, "alter-constant", many)
    values = np.array([setup[0].constants[0] for setup, _, _ in after])
    # What is scaled as a whole comes as close by chance once in some thousands.
    close = values[np.abs(values - 1) < 2**-13]
    assert stats.binomtest(len(close), many, 0.5).pvalue > LEAST_P
    follows(np.log((1 - close[close < 1]) * 2**20), stats.norm)
