"""Mutations: their distributions, and what never happens.

All draws follow from fixed seeds, so every test comes out the same each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from scipy import stats
from search.chance import LEAST_P, fits, follows, uniform
from search.reference_drawing import SMALL, Spec, fields, kind, one_op
from search.reference_search import Packed

from azc.ops import OPS, Op, Type, by_name
from azc.program import Program, verify
from azc.search.settings import MUTATIONS


@pytest.fixture(scope="session")
def many(full: bool) -> int:
    return 400_000 if full else 20_000


def mutants(
    spec: Spec, program: Packed, mutation: str, count: int, seed: int = 1
) -> Iterator[Packed]:
    space = Spec(**{**vars(spec), "mutations": (mutation,)}).core()
    for k in range(count):
        made, mutant = space.mutate(program, seed, k)
        assert made == kind(mutation)
        yield mutant


@pytest.mark.parametrize("allowed", [MUTATIONS, MUTATIONS[1:6:2], ("trade",)], ids=len)
def test_kinds_of_mutation_are_uniform(allowed: tuple[str, ...], many: int) -> None:
    space = Spec(mutations=allowed).core()
    program = space.random(1, 0)
    uniform((space.mutate(program, 1, k)[0] for k in range(many)), map(kind, allowed))


@pytest.mark.parametrize("open_functions", [(0, 1, 2), (0, 2), (1,)], ids=str)
@pytest.mark.parametrize(
    "mutation",
    ["alter-parameter", "randomize-instruction", "randomize-function", "insert", "remove"],
)
def test_functions_with_ops_are_uniform(
    open_functions: tuple[int, ...], mutation: str, many: int
) -> None:
    """Whatever their sizes. Every new constant differs, so that a change shows."""
    ops = tuple(("scalar_const",) if f in open_functions else () for f in range(3))
    spec = Spec(ops=ops, least=(0, 1, 2), most=(4, 8, 12), first=(1, 3, 9))
    program = spec.core().random(1, 0)
    found = Counter()
    for mutant in mutants(spec, program, mutation, many // 4):
        changed = [f for f in range(3) if mutant[f] != program[f]]
        if changed or mutation != "alter-parameter":  # an output may be drawn again as it was
            found[tuple(changed)] += 1
    uniform(found.elements(), [(f,) for f in open_functions])


@pytest.mark.parametrize("op", [op for op in OPS if op.index], ids=lambda op: op.name)
def test_altered_parameters_are_uniform(op: Op, many: int) -> None:
    """Inputs, output and each constant alike; an address that is drawn again may stay."""
    spec = one_op(op)
    program = spec.core().random(3, 0)
    if op.name.endswith("_uniform"):  # sorted, so that a swap does not look like two changes
        record = fields(program[1]).copy()
        record["constant"][0, :2] = -0.5, 0.5
        program = (b"", record.tobytes(), b"")
    before = fields(program[1])[0]
    slots = len(op.inputs) + 1 + len(op.constants)
    expected: dict[object, float] = {}
    for place, of in enumerate(op.inputs):
        expected["in", place] = 1 - 1 / spec.addresses[of.rank]
    outputs = spec.addresses[op.output.rank] - (op.output is not Type.MATRIX)
    expected["out"] = 1 - 1 / outputs
    expected |= {"constant": float(len(op.constants))}
    expected = {key: share / slots for key, share in expected.items()}
    expected[None] = 1 - sum(expected.values())
    if expected[None] < 1e-12:
        del expected[None]
    found: Counter[object] = Counter()
    for mutant in mutants(spec, program, "alter-parameter", many // 4, seed=op.number):
        after = fields(mutant[1])[0]
        changed: list[object] = [("in", p) for p in (0, 1) if before["in"][p] != after["in"][p]]
        changed += ["out"] * bool(before["out"] != after["out"])
        changed += ["constant"] * bool((before["constant"] != after["constant"]).any())
        assert len(changed) <= 1
        assert before["op"] == after["op"]
        found[changed[0] if changed else None] += 1
    fits(found, expected)


def altered_constants(op: Op, values: Sequence[float], count: int) -> np.ndarray:
    """Constants after alter-parameter drew one of them."""
    spec = one_op(op)
    record = fields(spec.core().random(5, 0)[1]).copy()
    record["constant"][0, : len(values)] = values
    program = (b"", record.tobytes(), b"")
    made = [fields(m[1])[0]["constant"] for m in mutants(spec, program, "alter-parameter", count)]
    found = np.array(made)[:, : len(values)]
    return found[(found != values).any(axis=1)]


@pytest.mark.parametrize("op", [op for op in OPS if op.constants], ids=lambda op: op.name)
def test_altered_constants_follow_their_kind(op: Op, many: int) -> None:
    values = np.array([0.375, 0.625, 0.75][: len(op.constants)])
    after = altered_constants(op, values, many)
    changed: Counter[int] = Counter()
    for place, constant in enumerate(op.constants):
        others = np.delete(values, place)
        if constant.mutation == "scale-sorted":  # which one stayed says which did not
            assert (after[:, 0] <= after[:, 1]).all()
            mine = (after == others[0]).any(axis=1)
            new = np.where(after[mine, 0] == others[0], after[mine, 1], after[mine, 0])
        else:
            mine = after[:, place] != values[place]
            assert (np.delete(after[mine], place, axis=1) == others).all()
            new = after[mine, place]
        changed[place] = len(new)
        if constant.mutation == "redraw":
            assert 0.0 <= new.min() <= new.max() < 1.0
            follows(new, stats.uniform(0, 1))
            continue
        ratio = new / values[place]
        flipped = ratio < 0
        assert (ratio[flipped] == -1.0).all()
        if constant.mutation == "scale-positive":
            assert not flipped.any()
        else:
            assert stats.binomtest(int(flipped.sum()), len(ratio), 0.1).pvalue > LEAST_P
        follows(np.log(ratio[~flipped]), stats.norm)
    uniform(changed.elements(), range(len(op.constants)))


def test_an_altered_address_is_uniform(many: int) -> None:
    """Of those that there are, the one it was among them; of outputs without s0."""
    op = by_name("scalar_add")
    spec = one_op(op)
    record = fields(spec.core().random(5, 0)[1]).copy()
    record["in"], record["out"] = (0, 3), 2
    found = [fields(m[1])[0] for m in
             mutants(spec, (b"", record.tobytes(), b""), "alter-parameter", many)]  # fmt: skip
    for place, old in enumerate((0, 3)):
        stays = 1 - (1 - 1 / 5) / 3
        shares = dict.fromkeys(range(5), 1 / 15) | {old: stays}
        fits(Counter(int(r["in"][place]) for r in found), shares)
    fits(Counter(int(r["out"]) for r in found), {1: 1 / 12, 2: 3 / 4, 3: 1 / 12, 4: 1 / 12})


# ---- sizes and places ----------------------------------------------------------------------------


def numbered(count: int) -> Packed:
    """Instructions ``s1 = 2``, ``s1 = 3`` … of Predict, which a random one cannot be."""
    records = np.zeros(count, fields(b"").dtype)
    records["op"], records["out"] = by_name("scalar_const").number, 1
    records["constant"][:, 0] = np.arange(count) + 2
    return b"", records.tobytes(), b""


def shown(program: Packed) -> tuple[int, ...]:
    """The numbers, and 0 for an instruction that is new."""
    values = fields(program[1])["constant"][:, 0].tolist()
    return tuple(int(v) if v >= 2 else 0 for v in values)


ANY = Spec(
    ops=((), ("scalar_const",), ()), least=(0, 1, 0), most=(0, 6, 0), first=(0, 4, 0)
)  # fmt: skip
OLD = (2, 3, 4, 5)
INSERTED = [(*OLD[:i], 0, *OLD[i:]) for i in range(5)]
REMOVED = [(*OLD[:i], *OLD[i + 1 :]) for i in range(4)]
TRADED = [(*new[:i], *new[i + 1 :]) for new in INSERTED for i in range(5)]
REPLACED = [(*OLD[:i], 0, *OLD[i + 1 :]) for i in range(4)]


@pytest.mark.parametrize(
    ("mutation", "outcomes"),
    [
        ("insert", INSERTED),
        ("remove", REMOVED),
        ("trade", TRADED),
        ("randomize-instruction", REPLACED),
        ("randomize-function", [(0, 0, 0, 0)]),
        ("randomize-program", [(0, 0, 0, 0)]),
        ("identity", [OLD]),
    ],
)
def test_places_are_uniform(mutation: str, outcomes: list[tuple[int, ...]], many: int) -> None:
    found = Counter(shown(m) for m in mutants(ANY, numbered(4), mutation, many // 2))
    shares = {key: times / len(outcomes) for key, times in Counter(outcomes).items()}
    fits(found, shares)


def test_what_is_put_in_is_random(many: int) -> None:
    spec = Spec(ops=((), ("scalar_const", "dot", "outer"), ()), least=ANY.least, most=ANY.most,
                first=ANY.first)  # fmt: skip
    for mutation in ("insert", "randomize-instruction"):
        new = []
        for mutant in mutants(spec, numbered(4), mutation, many // 2):
            (record,) = [r for r in fields(mutant[1]) if r["op"] != 56 or r["constant"][0] < 2]
            new.append(record)
        uniform([int(r["op"]) for r in new], [27, 28, 56])
        follows([r["constant"][0] for r in new if r["op"] == 56], stats.uniform(-1, 2))
        outs = [int(r["out"]) for r in new if r["op"] == 27]
        uniform(outs, range(1, spec.addresses[0]))


@pytest.mark.parametrize(
    ("mutation", "size", "stays"),
    [
        ("insert", 6, 6), ("remove", 1, 1), ("trade", 1, 1), ("trade", 4, 4), ("trade", 5, 5),
        ("insert", 1, 2), ("remove", 6, 5), ("alter-parameter", 4, 4),
    ],
)  # fmt: skip
def test_sizes_after_one_mutation(mutation: str, size: int, stays: int) -> None:
    sizes = {len(shown(m)) for m in mutants(ANY, numbered(size), mutation, 300)}
    assert sizes == {stays}


def test_at_its_limit_a_function_is_not_changed() -> None:
    assert {shown(m) for m in mutants(ANY, numbered(6), "insert", 300)} == {(2, 3, 4, 5, 6, 7)}
    assert {shown(m) for m in mutants(ANY, numbered(1), "remove", 300)} == {(2,)}
    fixed = Spec(**{**vars(ANY), "least": (0, 4, 0), "most": (0, 4, 0)})
    assert {shown(m) for m in mutants(fixed, numbered(4), "trade", 300)} == {OLD}


@pytest.mark.parametrize("mutation", ["randomize-function", "randomize-program"])
def test_randomizing_keeps_sizes_and_functions_without_ops(mutation: str) -> None:
    spec = Spec(ops=(*SMALL.ops[:2], ()))
    program = (*spec.core().random(1, 0)[:2], numbered(3)[1])
    for mutant in mutants(spec, program, mutation, 500):
        assert list(map(len, mutant)) == list(map(len, program))
        assert mutant[2] == program[2]
        changed = sum(new != old for new, old in zip(mutant, program, strict=True))
        assert changed == (2 if mutation == "randomize-program" else 1)


def test_empty_functions_survive_every_mutation() -> None:
    spec = Spec(least=(0, 0, 0), first=(0, 0, 0))
    for mutation in MUTATIONS[: MUTATIONS.index("insert-live")]:
        for mutant in mutants(spec, (b"", b"", b""), mutation, 100):
            assert sum(map(len, mutant)) == (40 if mutation == "insert" else 0)


@pytest.mark.parametrize("fixed", [None, 0, 2])
def test_a_long_course_of_mutations_stays_in_the_space(fixed: int | None, many: int) -> None:
    ops = tuple(() if f == fixed else Spec().ops[f] for f in range(3))
    spec = Spec(ops=ops, least=(0, 1, 2), first=(2, 3, 4), most=(4, 5, 6))
    space = spec.core()
    program = first = tuple(
        Spec().core().random(1, 0)[f] if f == fixed else space.random(1, 0)[f] for f in range(3)
    )
    sizes = [set() for _ in range(3)]
    limits = dict(zip(Type, spec.addresses, strict=True))
    for k in range(many // 4):
        _, program = space.mutate(program, 1, k)
        for f in range(3):
            sizes[f].add(len(program[f]) // 40)
        if k % 5 == 0:
            made = verify(Program.unpacked(program), limits)
            assert made.packed() == program
            written = {str(i.output) for i in made.instructions()}
            assert not written & {"s0", "v0"}
    for f in range(3):
        least, most = spec.least[f], spec.most[f]
        if f == fixed:
            assert program[f] == first[f]
        else:
            assert sizes[f] == set(range(least, most + 1))
