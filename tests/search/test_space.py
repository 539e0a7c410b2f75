"""Random programs: what they are drawn from, and how.

All draws follow from fixed seeds, so every test comes out the same each time.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from search.chance import LEAST_P, follows, uniform
from search.reference_drawing import SMALL, Drawing, Draws, Spec, fields, kind, one_op

from azc.ops import OPS, Op, Type, by_name
from azc.program import Program
from azc.runtime import _core
from azc.search.settings import MUTATIONS


@pytest.fixture(scope="session")
def many(full: bool) -> int:
    return 400_000 if full else 20_000


def random_bodies(spec: Spec, count: int, seed: int = 1) -> list[np.ndarray]:
    """The instructions of so many random programs, of Setup, of Predict and of Learn."""
    space = spec.core()
    packed = [space.random(seed, k) for k in range(count)]
    return [fields(b"".join(program[f] for program in packed)) for f in range(3)]


def test_ops_and_addresses_are_uniform(many: int) -> None:
    names = [op.name for op in OPS]
    spec = Spec(
        addresses=(5, 4, 3), ops=(tuple(names[56:]), tuple(names), tuple(names[1:44:2])),
        least=(0, 0, 0), most=(3, 5, 4), first=(2, 5, 4),
    )  # fmt: skip
    for f, records in enumerate(random_bodies(spec, many)):
        assert len(records) == many * spec.first[f]
        uniform(records["op"].tolist(), [by_name(name).number for name in spec.ops[f]])
        for place, of in itertools.product((0, 1), Type):
            chosen = [op.number for op in OPS if op.inputs[place : place + 1] == (of,)]
            drawn = records["in"][np.isin(records["op"], chosen), place]
            if len(drawn):
                uniform(drawn.tolist(), range(spec.addresses[of.rank]))
        for of in Type:
            chosen = [op.number for op in OPS if op.output is of]
            drawn = records["out"][np.isin(records["op"], chosen)]
            if len(drawn):
                # Evaluation itself writes s0 and v0.
                uniform(drawn.tolist(), range(of is not Type.MATRIX, spec.addresses[of.rank]))


def test_operands_of_one_instruction_are_independent(many: int) -> None:
    spec = one_op(by_name("scalar_matrix_mul"), 2)
    records = random_bodies(spec, many)[1]
    drawn = [(int(r["in"][0]), int(r["in"][1]), int(r["out"])) for r in records]
    uniform(drawn, itertools.product(range(5), range(3), range(3)))
    outs = [(first[2], second[2]) for first, second in zip(drawn[::2], drawn[1::2], strict=True)]
    uniform(outs, itertools.product(range(3), repeat=2))


@pytest.mark.parametrize("op", [op for op in OPS if op.constants], ids=lambda op: op.name)
def test_constants_follow_their_kind(op: Op, many: int) -> None:
    values = random_bodies(one_op(op), many)[1]["constant"]
    for place, constant in enumerate(op.constants):
        drawn = values[:, place]
        assert constant.low <= drawn.min()
        assert drawn.max() < constant.high
        follows(drawn, stats.uniform(constant.low, constant.high - constant.low))
    for one, other in itertools.combinations(range(len(op.constants)), 2):
        assert stats.spearmanr(values[:, one], values[:, other]).pvalue > LEAST_P


def test_what_an_op_does_not_use_is_zero() -> None:
    for records in random_bodies(Spec(), 5000):
        for record in records:
            op = OPS[record["op"]]
            assert not record["in"][len(op.inputs) :].any()
            assert not record["constant"][len(op.constants) :].any()
            assert op.output or not record["out"]


def test_a_function_without_ops_is_left_alone() -> None:
    spec = Spec(ops=((), *SMALL.ops[1:]), first=(3, 3, 4))
    setup, predict, learn = random_bodies(spec, 10)
    assert setup.tobytes() == bytes(40 * 3 * 10)
    assert len(predict) == 30
    assert len(learn) == 40


def test_a_candidate_draws_by_seed_and_number_alone(many: int) -> None:
    space, count = Spec().core(), many // 10
    drawn = [space.random(7, k) for k in range(count)]
    assert len(set(drawn)) == count  # constants alone tell them apart
    again = {k: Spec().core().random(7, k) for k in np.random.default_rng(1).permutation(count)}
    assert [again[k] for k in range(count)] == drawn
    assert not set(drawn) & {space.random(8, k) for k in range(count)}
    mutant = space.mutate(drawn[0], 7, 2**64 - 1)
    assert mutant == space.mutate(drawn[0], 7, 2**64 - 1)
    assert len({space.mutate(drawn[0], 7, k) for k in range(200)}) > 100


def test_words_are_drawn_as_described(full: bool) -> None:
    """The same programs and mutants, to the bit, as the plain Python that follows `draw.h`."""
    space, drawing = Spec().core(), Drawing(Spec())
    for k in range(20_000 if full else 600):
        seed = 2**63 + k * k
        bodies = drawing.random(Draws(seed, 0, k))
        packed = Program(*map(tuple, bodies)).packed()
        assert space.random(seed, k) == packed
        name, mutant = drawing.mutate(Draws(seed, 0, k + 2**40), bodies)
        expected = (kind(name), Program(*map(tuple, mutant)).packed())
        assert space.mutate(packed, seed, k + 2**40) == expected


def test_spaces_and_programs_that_do_not_fit_are_refused() -> None:
    sizes = ((0, 1, 0), (1, 1, 1), (0, 1, 0))
    ops = [[1], [1], [1]]
    for wrong in ([[65], [1], [1]], [[-1], [1], [1]]):
        with pytest.raises(ValueError, match="op of the table"):
            _core.Space((2, 1, 0), wrong, *sizes, [0])
    with pytest.raises(ValueError, match="sizes in order"):
        _core.Space((2, 1, 0), ops, (1, 1, 1), (1, 1, 1), (0, 1, 1), [0])
    for wrong in ([len(MUTATIONS)], [-1]):
        with pytest.raises(ValueError, match="kind of mutation"):
            _core.Space((2, 1, 0), ops, *sizes, wrong)
    space = one_op(by_name("dot"), 2).core()
    program = space.random(1, 0)[1]
    for wrong, message in ((program + program, "at most 2"), (program[:-1], "whole")):
        with pytest.raises(ValueError, match=message):
            space.mutate((b"", wrong, b""), 1, 1)
    for name, place in (("in", (4, 0)), ("in", (0, 4)), ("out", 5)):
        records = fields(program).copy()
        records[name] = place
        with pytest.raises(ValueError, match="addresses of the space"):
            space.mutate((b"", records.tobytes(), b""), 1, 1)
