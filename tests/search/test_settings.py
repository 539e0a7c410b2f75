"""Search files become settings; what is wrong in them is named by its key's path."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from search_files import ALL, changed, refusal, tables

from azc.errors import ConfigError
from azc.ops import OPS
from azc.search.settings import MUTATIONS, Settings
from azc.search.settings_base import table_at
from azc.search.settings_plan import IslandSettings
from azc.search.settings_search import OF_SOME_METHODS

_METHODS = "'regularized-evolution', 'random', 'mgg' or 'niches'"

# ---- what is read ------------------------------------------------------------------------------


def test_defaults():
    settings = Settings.from_mapping(tables())
    search = settings.search
    assert (search.method, search.population, search.tournament) == (
        *("regularized-evolution", 1000, 10),
    )
    assert (search.mutate_prob, search.filter, search.aggregate) == (0.9, False, "mean")
    assert (search.islands, search.workers, search.seed, search.interval) == (1, 1, 1, None)
    assert (search.stop.fitness, search.stop.programs, search.stop.seconds) == (None, None, 1.0)
    assert settings.space.start == "random"
    assert settings.space.start_programs() == []
    assert (settings.evaluation.epochs, settings.evaluation.max_abs_error) == (1, 100.0)
    assert settings.evaluation.seed == 0
    assert (settings.fec.train, settings.fec.valid, settings.fec.size) == (10, 10, 100_000)
    assert (settings.fec.forget, settings.fec.digits) == (100, None)
    assert settings.fec.level1
    assert settings.fec.level2
    assert settings.compile.hot == "auto"
    assert settings.hurdles == ()
    for absent in ("restart", "budget", "niches", "migration"):
        assert getattr(settings, absent) is None


def test_every_key():
    settings = Settings.from_mapping(tables(ALL))
    assert settings.search.children == 4
    assert settings.search.mutations == ("insert", "remove", "trade", "identity")
    assert settings.search.seed == 2**64 - 1
    assert settings.space.ops == ("dot", "scalar_add", "matrix_add")
    assert [op.name for op in settings.space.ops_of("setup")] == ["scalar_const"]
    assert [op.name for op in settings.space.ops_of("learn")] == ["dot", "scalar_add", "matrix_add"]
    assert settings.restart.by == 300
    assert settings.evaluation.max_abs_error == float("inf")
    assert settings.budget.program().doc.startswith("Linear regression")
    assert settings.fec.digits == 9
    assert settings.hurdles[0].quantile == 0.75
    assert settings.migration.share == 0.25
    assert settings.compile.hot is False
    assert settings.tasks.final.seed == 5


def test_cannot_be_changed():
    from pydantic import ValidationError

    settings = Settings.from_mapping(tables())
    with pytest.raises(ValidationError):
        settings.search.population = 3
    with pytest.raises(ValidationError):
        settings.search = None


def test_what_is_given_stays_as_it_is():
    given = tables(ALL)
    before = copy.deepcopy(given)
    Settings.from_mapping(given)
    assert given == before


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ("{ size = 3 }", (3, 3, 3, 3)),
        ("{ min = 1, max = 6 }", (1, 6, 1, None)),
        ("{ max = 6 }", (0, 6, 0, None)),
        ("{ min = 1, max = 6, init = 4 }", (1, 6, 4, None)),
        ("{ min = 5, max = 5 }", (5, 5, 5, 5)),
        ("{ size = 0 }", (0, 0, 0, 0)),
    ],
)
def test_sizes(sizes, found):
    setup = changed(f"space.setup={sizes}").space.setup
    assert (setup.min, setup.max, setup.init, setup.size) == found


def test_mutations_by_default():
    fixed = ("alter-parameter", "randomize-instruction", "randomize-function")
    variable = ("alter-parameter", "randomize-function", "insert", "remove")
    assert changed().search.mutations == fixed
    assert changed("space.learn={max = 8}").search.mutations == variable
    # A function that nothing is drawn for does not vary.
    given = ("space.start=linear", "space.scalars=5", "space.setup={max = 9, ops = []}")
    given += ("space.predict.size=1", "space.learn.size=4")
    assert changed(*given).search.mutations == fixed
    every = str(list(MUTATIONS))
    assert changed("space.learn={max = 8}", f"search.mutations={every}").search.mutations == (
        MUTATIONS
    )


def test_ops_by_default():
    everything = tuple(op.name for op in OPS if op.name != "noop")
    assert changed().space.ops == everything
    without = changed("space.matrices=0").space.ops
    assert without == tuple(
        op.name for op in OPS[1:] if "m" not in {t.value for t in (*op.inputs, op.output)}
    )
    assert changed("space.vectors=1", "space.matrices=0").space.ops[-2:] == (
        *("scalar_uniform", "scalar_gaussian"),
    )
    own = [f'space.{name}={{size = 2, ops = ["dot"]}}' for name in ("setup", "predict", "learn")]
    assert changed(*own).space.ops is None


def test_programs_per_interval():
    settings = changed()
    assert settings.programs_per_interval(10 * 200) == 200_000
    assert settings.programs_per_interval(1) == 500_000
    assert settings.programs_per_interval(10**9) == 500
    assert changed("search.interval=7").programs_per_interval(10**9) == 7


def test_the_short_run_takes_what_examples_there_are():
    fec = changed("tasks.search.train=6", "tasks.search.valid=3").fec
    assert (fec.train, fec.valid) == (6, 3)


# ---- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("serach.seed=3", "expected known keys, got 'serach'; did you mean 'search'?"),
        ("search=", "expected the key 'search', got none"),
        ("search=3", "search: expected a table, got 3"),
        ("search.stop=", "search: expected the key 'stop', got none"),
        ("search.sed=3", "search: expected known keys, got 'sed'; did you mean 'seed'?"),
        ("search.method=mgh", f"search.method: expected {_METHODS}, got 'mgh'; did you mean"),
        ("search.method=3", f"search.method: expected {_METHODS}"),
        ("search.population=0", "search.population: expected greater than or equal to 1, got 0"),
        ("search.population='9'", "search.population: expected a valid integer, got '9'"),
        ("search.population=true", "search.population: expected a valid integer, got True"),
        ("search.population=2.5", "search.population: expected a valid integer, got 2.5"),
        ("search.population=9223372036854775808", "search.population: expected less than"),
        ("search.tournament=0", "search.tournament: expected greater"),
        ("search.mutate_prob=1.5", "search.mutate_prob: expected less than or equal to 1, got 1.5"),
        ("search.mutate_prob=nan", "search.mutate_prob: expected"),
        ("search.children=5", "search.children: expected no children with method "
         "'regularized-evolution', got 5; leave it out"),
        ("search.mutations=[]", "search.mutations: expected at least one kind of mutation, got no"),
        ("search.mutations=insert", "search.mutations: expected a list, got 'insert'"),
        ("search.mutations=['identity', 'identity']", "search.mutations: expected each kind of mu"),
        ("search.mutations=['insrt']", "got 'insrt'; did you mean 'insert'?"),
        ("search.mutations=['insert']", "search.mutations: expected a function in space with min "
         "below max to insert instructions, got fixed sizes"),
        ("search.filter=1", "search.filter: expected true, false or 'strict', got 1"),
        ("search.aggregate=avg", "search.aggregate: expected 'mean' or 'median', got 'avg'"),
        ("search.stop={}", "search.stop: expected fitness, programs or seconds, got none of them"),
        ("search.stop=60", "search.stop: expected a table, got 60"),
        ("search.stop.fitness=1.5", "search.stop.fitness: expected less than or equal to 1"),
        ("search.stop.fitness=0", "search.stop.fitness: expected greater than 0, got 0"),
        ("search.stop.fitnes=0.5", "search.stop: expected known keys, got 'fitnes'; did you mean "
         "'fitness'?"),
        ("search.stop.seconds=inf", "search.stop.seconds: expected a finite number, got inf"),
        ("search.stop.programs=1e6", "search.stop.programs: expected a valid integer, got 1000000"),
        ("search.islands=0", "search.islands: expected greater"),
        ("search.workers=2", "search.workers: expected at most search.islands (1), got 2; a worke"),
        ("search.seed=-1", "search.seed: expected greater than or equal to 0, got -1"),
        ("search.seed=18446744073709551616", "search.seed: expected less than or equal to"),
        ("search.interval=0", "search.interval: expected greater"),
        ("space.scalars=1", "space.scalars: expected greater than or equal to 2, got 1"),
        ("space.vectors=0", "space.vectors: expected greater than or equal to 1, got 0"),
        ("space.matrices=-1", "space.matrices: expected greater than or equal to 0, got -1"),
        ("space.scalars=", "space: expected the key 'scalars', got none"),
        ("space.ops=['dott']", "space.ops: expected names of ops, got 'dott'; did you mean 'dot'?"),
        ("space.ops=['dot', 'OP27']", "space.ops: expected each op once, got 'OP27' again"),
        ("space.ops=dot", "space.ops: expected a list, got 'dot'"),
        ("space.ops=[3]", "space.ops: expected a valid string, got 3"),
        ("space.ops=[]", "space.ops: expected ops for setup, of up to 2, got none; give it some"),
        ("space.setup.ops=[]", "space.setup.ops: expected ops for setup, of up to 2, got none"),
        ("space.setup.ops=['zzz']", "space.setup.ops: expected names of ops, got 'zzz'; azc ops"),
        ("space.setup=3", "space.setup: expected a table, got 3"),
        ("space.setup={}", "space.setup: expected the key 'size', or 'min' and 'max', got none"),
        ("space.setup={min = 3}", "space.setup: expected the key 'size', or 'min' and 'max', got "),
        ("space.setup={min = 3, max = 2}", "space.setup.max: expected min (3) or more, got 2"),
        ("space.setup={max = 2, init = 3}", "space.setup.init: expected min to max (0 to 2), got "),
        ("space.setup.max=3", "space.setup.size: expected size alone, or min, max and init without "
         "it, got size and max"),
        ("space.setup.size=-1", "space.setup.size: expected greater than or equal to 0, got -1"),
        ("space.setup.size='2'", "space.setup.size: expected a valid integer, got '2'"),
        ("space.setup.sise=2", "space.setup: expected known keys, got 'sise'; did you mean 'size'"),
        ("space.start=3", "space.start: expected 'random', 'empty', the path of an .az file, or a"),
        ("space.start=[]", "space.start: expected 'random', 'empty', the path of an .az file, or "),
        ("space.start=randm", "space.start: expected 'random', 'empty', the path of an .az file or "
         "the name of a program in the library, got 'randm'; did you mean 'random'?"),
        ("space.start=['linaer']", "got 'linaer'; did you mean 'linear'?"),
        ("space.start=nowhere.az", "space.start: cannot read"),
        ('space.start="a\\u0000.az"', "space.start: cannot read"),
        ("space={scalars = 5, vectors = 3, matrices = 0, setup = {size = 0}, predict = {size = 1}, "
         "learn = {size = 4}, start = 'linear'}", "space.start: expected 0 instructions in "
         "setup of linear.az, got 1; allow more in the space"),
        ("space.start=network", "space.start: network.az:"),
        ("restart={}", "restart: expected steps, programs, patience, or fitness with by, got none"),
        ("restart.steps=0", "restart.steps: expected greater"),
        ("restart.fitness=0.5", "restart.by: expected the number of programs by which"),
        ("restart.by=5", "restart.fitness: expected the fitness to reach within so many"),
        ("evaluation.epochs=0", "evaluation.epochs: expected greater"),
        ("evaluation.max_abs_error=0", "evaluation.max_abs_error: expected greater than 0, got 0"),
        ("evaluation.max_abs_error=nan", "evaluation.max_abs_error: expected"),
        ("evaluation.seed=1.0", "evaluation.seed: expected a valid integer"),
        ("budget={}", "budget: expected the key 'baseline', got none"),
        ("budget={baseline = 'netwrk'}", "budget.baseline: expected the path of an .az file or the "
         "name of a program in the library, got 'netwrk'; did you mean 'network'?"),
        ("budget={baseline = 'network', factor = 0}", "budget.factor: expected greater than 0"),
        ("fec.train=1001", "fec.train: expected at most 1000, the examples of tasks.search, got 1"),
        ("fec.valid=101", "fec.valid: expected at most 100, the examples of tasks.search, got 101"),
        ("fec.digits=18", "fec.digits: expected less than or equal to 17, got 18"),
        ("fec.digits=0", "fec.digits: expected greater"),
        ("fec.level1='yes'", "fec.level1: expected a valid boolean, got 'yes'"),
        ("hurdles={}", "hurdles: expected the key 'train', got none"),
        ("hurdles.train=1001", "hurdles.train: expected at most 1000, the examples of tasks.searc"),
        ("hurdles={train = 9, valid = 101}", "hurdles.valid: expected at most 100, the examples o"),
        ("hurdles={train = 9, quantile = 1}", "hurdles.quantile: expected less than 1, got 1"),
        ("migration.every=5", "migration: expected search.islands above 1 to migrate between, got"),
        ("compile.hot=1", "compile.hot: expected true, false or 'auto', got 1"),
        ("compile.hot=on", "compile.hot: expected true, false or 'auto', got 'on'"),
        ("tasks=", "expected the key 'tasks', got none"),
        ("tasks.search=", "tasks: expected the key 'search', got none"),
        ("tasks.search=linear", "tasks.search: expected a table, got 'linear'"),
        ("tasks.other.task=linear", "tasks: expected known keys, got 'other'"),
        ("tasks.search.task=", "tasks.search: expected the key 'task', got none"),
        ("tasks.search.task=liner", "tasks.search.task: expected a known task kind, got 'liner'"),
        ("tasks.search.task=3", "tasks.search.task: expected a valid string, got 3"),
        ("tasks.search.cout=3", "tasks.search: expected known keys, got 'cout'; did you mean 'cou"),
        ("tasks.search.features=0", "tasks.search.features: expected a whole number from 1 to 409"),
        ("tasks.search.features=[]", "tasks.search.features: expected a whole number from 1 to 40"),
        ("tasks.search.features=[4, 'x']", "or a list of them, got [4, 'x']"),
        ("tasks.search.features=true", "tasks.search.features: expected a whole number"),
        ("tasks.search.metric=accuracy", "tasks.search: expected metric 'rmse' for 'linear'"),
        ("tasks.select={task = 'digits'}", "tasks.select: expected the same metric as in "
         "tasks.search (rmse), got accuracy"),
        ("tasks.select={task = 'x.npz', metric = 'accuracy'}", "tasks.select: expected the same m"),
        ("tasks.select={task = 'linear', seed = 0}", "tasks.select: expected tasks that tasks.sea"),
    ],
)  # fmt: skip
def test_refused(change, message):
    assert message in refusal(change)


def test_every_problem_is_listed():
    lines = refusal("search.population=0", "space.scalars=x", "tasks.search.train=0").splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        *("search.population", "space.scalars", "tasks.search.train"),
    ]


ODD = (
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    float("nan"),
    "",
    "\0",
    "x",
    [],
    [[]],
    ["x"],
    {},
    {"x": {}},
    {1: 2},
)


def keys(table: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in table.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from keys(value, (*path, key))


@pytest.mark.parametrize("path", list(keys(tables(ALL))), ids=".".join)
def test_odd_values_are_taken_or_refused(path):
    """At every key; a refusal begins with a key's path, that of the key or of one near it."""
    for odd in ODD:
        found = tables(ALL)
        table = found
        for key in path[:-1]:
            table = table[key]
        table[path[-1]] = odd
        try:
            settings = Settings.from_mapping(found)
        except ConfigError as error:
            for line in str(error).splitlines():
                place = line.partition(": expected")[0]
                assert place.startswith(path[0]) or path[0] in ("search", "tasks"), line
        else:
            assert tomllib.loads(settings.to_toml())


@pytest.mark.parametrize(("table", "key"), OF_SOME_METHODS)
def test_keys_that_only_some_methods_have_are_keys(table: str, key: str):
    model = table_at(IslandSettings, table)
    assert model is not None
    assert key in model.model_fields


def test_random_search_has_no_best_to_begin_with():
    given = ("search.method=random", "restart={patience=5}")
    assert changed(*given).to_toml()
    assert changed("search.method=random", "restart=").to_toml()
    assert "restart.from_best: expected no from_best with method 'random', got 2" in refusal(
        *given, "restart.from_best=2"
    )


def test_mgg_takes_two():
    assert changed("search.method=mgg").search.children == 10
    assert changed("search.method=mgg", "search.children=3").search.children == 3
    assert "search.population: expected at least 2 with method 'mgg', got 1" in refusal(
        "search.method=mgg", "search.population=1"
    )
    assert changed("search.population=1").search.population == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["space.matrices=0", "space.learn.ops=['dot', 'outer']"],
         "space.learn.ops: expected space.matrices at least 1 for 'outer', got 0; raise it, or"),
        (["space.matrices=0", "space.ops=['matrix_norm']"], "space.ops: expected space.matrices a"),
        (["space.vectors=1", "space.ops=['vector_add']"], "space.ops: expected space.vectors"),
        (["space.vectors=1", "space.ops=['dot']"], None),
    ],
)  # fmt: skip
def test_ops_need_memory(changes, message):
    if message is None:
        changed(*changes)
    else:
        assert message in refusal(*changes)


def test_there_must_be_something_to_search_for(tmp_path):
    none = [f"space.{name}={{size = 0}}" for name in ("setup", "predict", "learn")]
    assert "space.ops: expected a function with ops and a size above 0, got none" in refusal(*none)
    # What a program has may stay as it is, but not all of it.
    given = ["space.start=linear", "space.scalars=5", "space.setup={size = 1, ops = []}"]
    given += ["space.predict={size = 1, ops = []}", "space.learn.size=4"]
    assert [op.name for op in changed(*given).space.ops_of("setup")] == []
    assert "there is nothing to search for" in refusal(*given, "space.ops=[]")
