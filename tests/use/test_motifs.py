"""Motifs: fragments are what they are called, planted ones are found, and chance makes none."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import azc
from azc import library, presets
from azc.analysis import live
from azc.errors import ConfigError
from azc.ops import Type
from azc.program import Address, Program
from azc.runtime import _core
from azc.search.runtime_settings import space_of
from azc.search.settings import Settings
from azc.use.motifs import Hall, find, knock_in, read_halls
from azc.use.motifs.chance import Chance, at_least
from azc.use.motifs.fragments import Fragments, _Graph

FILTERED = ["search.filter=true"]
DEMO = Settings.from_text(presets.text("reference-demo"), "demo", FILTERED)
PLANTED = azc.parse("""
def Predict():
    s2 = dot(v1, v0)
    s1 = s2 * s2

def Learn():
    s3 = s0 - s2
    v2 = s3 * v1
    v1 = v2 + v1
""")


def drawn(seed: int, count: int) -> list[Program]:
    """Random programs that pass the filter, without dead instructions."""
    space = space_of(DEMO)
    packed = [space.passing(seed, k, 1, 10**6)[0] for k in range(count)]
    return [live(Program.unpacked(each), 0) for each in packed]


def halls(seed: int, runs: int, size: int = 3) -> list[Hall]:
    programs = drawn(seed, runs * size)
    return [
        Hall(f"run{k}", [(p, DEMO) for p in programs[k * size : (k + 1) * size]])
        for k in range(runs)
    ]


def renamed(program: Program, chance: random.Random) -> Program:
    """The same under other addresses, with operands that have no order in another."""
    kept = {Address(Type.VECTOR, 0), Address(Type.SCALAR, 0), Address(Type.SCALAR, 1)}
    names = {}
    for kind in Type:
        free = [n for n in range(30) if Address(kind, n) not in kept]
        chance.shuffle(free)
        names |= {a: a.number for a in kept if a.type is kind}
        names |= {
            a: free.pop() for a in sorted(program.addresses() - kept, key=str) if a.type is kind
        }

    def one(instruction):
        inputs = [names[a] for a in map(Address, instruction.op.inputs, instruction.inputs)]
        if instruction.op.commutative and chance.random() < 0.5:
            inputs.reverse()
        return replace(instruction, out=names[instruction.output], inputs=tuple(inputs))

    return Program(**{name: tuple(map(one, body)) for name, body in program.functions()})


def test_fragments_are_the_same_under_other_names():
    fragments, chance = Fragments(2, 4), random.Random(1)
    for program in [*drawn(1, 20), library.load("linear"), library.load("nlms")]:
        found = fragments.of(program, 0)
        assert fragments.of(renamed(program, chance), 0) == found
        assert len({fragments.id(k) for k in found}) == len(found)


@pytest.mark.parametrize("name", ["affine", "momentum", "arctan_decay"])
def test_all_connected_sets_of_nodes_are_enumerated_once(name):
    graph = _Graph(library.load(name), 0)
    found = list(graph.connected(3))
    assert len(set(found)) == len(found)

    def connected(chosen):
        reached = {chosen[0]}
        for _ in chosen:
            reached |= {k for k in chosen if any(graph.neighbours[r] >> k & 1 for r in reached)}
        return reached == set(chosen)

    size = len(graph.nodes)
    expected = {
        sum(1 << k for k in chosen)
        for count in (1, 2, 3)
        for chosen in itertools.combinations(range(size), count)
        if connected(chosen)
    }
    assert set(found) == expected


def test_pieces_of_linear():
    program, fragments = library.load("linear"), Fragments(2, 3)
    texts = {
        tuple(text for _, text in fragments.piece(number, program, 0).lines())
        for number in fragments.of(program, 0)
    }
    assert ("s1 = dot(v?, v0)", "s2 = s0 - s1") in texts
    assert ("v1 = s? * v0", "v2 = v2 + v1") in texts
    assert ("s1 = dot(v1, v0)", "v1 = v1 + v?") in texts
    # Constants have no value, and what has no edge to the rest is no part of it.
    assert ("s2 = value", "s3 = s2 * s?") in texts
    assert not any({"s2 = s0 - s1", "v1 = v1 + v?"} == set(each) for each in texts)


def test_values_of_this_step_and_the_last_are_told_apart():
    fragments = Fragments(2, 2)
    at_once = azc.parse("def Predict():\n    v1 = v0 + v0\n    s1 = dot(v1, v1)\n")
    late = azc.parse("def Predict():\n    s1 = dot(v1, v1)\n    v1 = v0 + v0\n")
    assert not fragments.of(at_once, 0) & fragments.of(late, 0)


def test_what_an_operand_is_counts():
    fragments = Fragments(2, 2)
    texts = ["v1 = v1 + v0\n    s1 = dot(v1, v0)", "v1 = v1 + v2\n    s1 = dot(v1, v0)"]
    first, second = (fragments.of(azc.parse(f"def Predict():\n    {t}\n"), 0) for t in texts)
    assert first != second


def test_chance_of_several_events():
    for count in range(6):
        assert np.isclose(at_least(count, [0.3] * 5), stats.binom.sf(count - 1, 5, 0.3))
    assert np.isclose(at_least(1, [0.5, 0.1]), 1 - 0.5 * 0.9)
    assert np.isclose(at_least(2, [0.5, 0.1, 0.0]), 0.05)


def test_random_programs_pass_the_filter_and_keep_what_is_given(tmp_path: Path):
    for program in drawn(5, 20):
        assert _core.Canonical(program.code, 0).depends
    start = tmp_path / "start.az"
    start.write_text("def Setup():\n    s2 = 0.1\n\ndef Predict():\n    s1 = dot(v0, v1)\n")
    overrides = ["space.setup={size=1, ops=[]}", f"space.start={str(start)!r}"]
    given = Settings.from_text(presets.text("reference-demo"), "demo", FILTERED + overrides)
    start = given.space.start_programs()[0].packed()
    packed, draws = space_of(given).passing(1, 1, 1, 10**6, start)
    assert packed[0] == start[0]
    assert packed[1:] != start[1:]
    assert draws > 1
    assert space_of(DEMO).passing(1, 1, 1, 1) is None


def test_planted_motifs_are_found():
    """Each run has the planted program among random ones, under other names."""
    chance = random.Random(2)
    planted = [
        Hall(hall.name, [(renamed(PLANTED, chance), DEMO), *hall.programs])
        for hall in halls(3, 5)
    ]  # fmt: skip
    found = find(planted, nodes=3, top=10, random=200, level=0.05)
    assert all(len(motif.runs) == 5 for motif in found.significant)
    fragments = Fragments(2, 3)
    sizes = {fragments.id(k): fragments.size(k) for k in fragments.of(PLANTED, 0)}
    significant = {motif.id for motif in found.significant}
    assert {each for each, size in sizes.items() if size == 3} <= significant <= sizes.keys()
    best = found.largest[0]
    assert (best.nodes, best.programs >= 5, best.within) == (3, True, None)
    assert best.p < best.p_holm < 0.001
    assert best.q <= best.p_holm


def test_chance_makes_no_motifs():
    """Of six times five runs whose halls of fame are random programs, at 5 %."""
    found = [find(halls(100 + k, 5), nodes=3, top=10, random=60, level=0.05) for k in range(6)]
    assert sum(bool(each.significant) for each in found) <= 1
    assert all(each.all for each in found), "fragments do reappear"


def test_walks_come_to_programs_as_often_as_draws_do():
    """Of one size in a small space: what fragments such programs have that pass the filter."""
    text = presets.text("linear")
    settings = Settings.from_text(text, "linear", ["search.filter='strict'"])
    fragments, size, count = Fragments(2, 3), (0, 1, 3), 300
    chance = Chance(settings, fragments, classes=0, count=count, seed=3)
    program = next(iter(strict(settings, 7, 1, size)))
    walked = chance.counts(program) / count
    assert chance.live(program) == sum(size)
    seen = np.zeros(len(walked))
    rejected = strict(settings, 8, count, size)
    for each in rejected:
        for number in fragments.of(each, 0):
            if number < len(seen):
                seen[number] += 1.0 / count
    common = walked + seen > 0.1
    spread = np.sqrt((walked * (1 - walked) + seen * (1 - seen) + 1e-9) / count)
    assert common.sum() > 10
    assert (np.abs(walked - seen) / spread)[common].max() < 4.5


def strict(settings: Settings, seed: int, count: int, size: tuple[int, int, int]) -> list[Program]:
    """Random programs of these sizes that the strict filter lets through."""
    functions = [settings.space.function(name) for name in ("setup", "predict", "learn")]
    space = space_of(settings, [function.max for function in functions])
    found: list[Program] = []
    for candidate in itertools.count():
        drawn = space.passing(seed, candidate, 2, 10**6)
        program = live(Program.unpacked(drawn[0]), 0)
        if tuple(len(body) for _, body in program.functions()) == size:
            found.append(program)
            if len(found) == count:
                return found
    return found


def test_walks_begin_from_what_was_found_where_no_draw_passes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("azc.use.motifs.chance._START_DRAWS", 1)
    settings = Settings.from_text(presets.text("linear"), "linear", ["search.filter='strict'"])
    (program,) = strict(settings, 1, 1, (0, 1, 3))
    chance = Chance(settings, Fragments(2, 3), classes=0, count=40, seed=1, halls=[program])
    assert chance.live(program) == 4
    assert len(chance.counts(program)) > 10


def test_more_random_programs_do_not_change_what_is_counted():
    few, more = (find(halls(7, 3), nodes=2, top=2, random=k, level=0.05) for k in (50, 100))
    assert few.fragments == more.fragments
    assert {m.id: m.runs for m in few.all} == {m.id: m.runs for m in more.all}
    assert find(halls(7, 3), nodes=2, top=2, random=50, level=0.05) == few


@pytest.mark.parametrize(("runs", "nodes", "message"), [(1, 3, "two runs"), (3, 7, "from 2 to 6")])
def test_refusals(runs, nodes, message):
    with pytest.raises(ConfigError, match=message):
        find(halls(1, runs, 1), nodes=nodes, top=1, random=10, level=0.05)


def test_runs_must_be_independent(tmp_path: Path):
    settings = ["search.stop={programs=500}", "compile={hot=false}"]
    for name, seed in (("a", 1), ("b", 2), ("again", 1)):
        search = azc.Search(Settings.from_text(presets.text("reference-demo"), "demo", settings))
        search.run(seed=seed, out=tmp_path / name)
    read = read_halls([tmp_path / "a", tmp_path / "b"])
    assert [len(hall.programs) > 0 for hall in read] == [True, True]
    assert azc.motifs([tmp_path / "a", tmp_path / "b"], random=20, nodes=2).runs == [
        str(tmp_path / "a"),
        str(tmp_path / "b"),
    ]
    with pytest.raises(ConfigError, match="same search"):
        read_halls([tmp_path / "a", tmp_path / "again"])


def test_what_lacked_is_knocked_in():
    """The step of least mean squares, put into a program that predicts and does not learn."""
    linear, fragments = library.load("linear"), Fragments(2, 4)
    wanted = {"s2 = s0 - s1", "v1 = s3 * v0"}
    piece = next(
        piece
        for piece in (fragments.piece(k, linear, 0) for k in sorted(fragments.of(linear, 0)))
        if wanted <= {text for _, text in piece.lines()}
    )
    host = azc.parse(
        "def Setup():\n    s2 = 0.1\n\ndef Predict():\n    s1 = dot(v1, v0)\n\n"
        "def Learn():\n    v1 = v1 + v2\n"
    )
    tasks = azc.tasks.make_set("linear", count=8, features=4, train=100, valid=20)
    found = knock_in(piece, host, tasks, ways=60)
    assert found.low > 0.3
    assert found.program is not None
    judged = azc.evaluate(found.program, list(tasks[1::2])).mean
    assert np.isclose(judged, found.before + found.difference)
    assert found == knock_in(piece, host, tasks, ways=60)
    with pytest.raises(ConfigError, match="four tasks"):
        knock_in(piece, host, tasks[:3])
