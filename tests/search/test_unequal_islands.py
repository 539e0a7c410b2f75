"""Islands that are not as the rest of the search file says: what they are made of, and that a
search with such islands takes the same course however it is run."""

from __future__ import annotations

import math
from typing import Any

import pytest
from search.reference_drawing import SMALL as SPEC
from search.reference_search import AMPLE, island, tasks_of
from search_files import SMALL, changed, left, refusal, small, told
from search_migrants import given, migrants, receive

from azc.errors import ConfigError
from azc.search import Search
from azc.search.islands import Islands
from azc.search.migration import migrate
from azc.search.settings import Settings

ON_A_LOG = 'islands=[{count=40, search={population={min=10, max=1000, scale="log"}}}]'
SELECT = 'tasks.select={task="linear", count=3, features=4, train=20, valid=20}'
#: Four islands: on other tasks, in a larger space, with a hurdle, and as the file says.
UNEQUAL = (
    "search.islands=4",
    'tasks.select={task="linear", count=3, features=4, train=20, valid=20, seed=7}',
    'islands[0].tasks.search={task="affine", count=2, train=30}',
    "islands[0].search={population={min=10, max=40}, mutate_prob={min=0.5, max=1}}",
    "islands[1].space={scalars=6, learn={size=7}}",
    "islands[1].search={method='mgg', children=3}",
    "islands[2].hurdles={train=5, window=20}",
    "islands[2].search.tournament=2",
)


# ---- what they are made of ----------------------------------------------------------------------


def test_numbers_are_drawn_for_each_island() -> None:
    plans = changed("search.islands=42", ON_A_LOG).plans()
    sizes = [plan.settings.search.population for plan in plans]
    assert sizes[40:] == [1000, 1000]
    assert all(10 <= size <= 1000 for size in sizes)
    assert len(set(sizes)) > 20
    # As many below the middle of the scale as above it; 15 of 40 would be 1.6 deviations off.
    assert 10 < sum(size < 100 for size in sizes[:40]) < 30
    assert sizes == [
        plan.settings.search.population for plan in changed("search.islands=42", ON_A_LOG).plans()
    ]
    other = changed("search.islands=42", ON_A_LOG, "search.seed=2").plans()
    assert [plan.settings.search.population for plan in other] != sizes
    # Nor does it depend on what else is drawn.
    both = changed("search.islands=42", ON_A_LOG, "islands[0].search.mutate_prob={min=0,max=1}")
    assert [plan.settings.search.population for plan in both.plans()] == sizes
    chances = [plan.settings.search.mutate_prob for plan in both.plans()[:40]]
    assert all(0 < chance < 1 for chance in chances)


def test_whole_numbers_are_drawn_evenly() -> None:
    found = changed("islands=[{count=600, search={tournament={min=2, max=4}}}]").plans()
    drawn = [plan.settings.search.tournament for plan in found]
    assert all(abs(drawn.count(size) - 200) < 60 for size in (2, 3, 4))
    scaled = changed('islands=[{count=600, search={tournament={min=1, max=3, scale="log"}}}]')
    drawn = [plan.settings.search.tournament for plan in scaled.plans()]
    for size in (1, 2, 3):
        part = math.log((size + 1) / size) / math.log(4)
        assert abs(drawn.count(size) - 600 * part) < 60


def test_what_is_not_given_is_as_in_the_file() -> None:
    settings = changed(*UNEQUAL, text=SMALL)
    zero, one, two, three = (plan.settings for plan in settings.plans())
    assert (zero.tasks.search.task, zero.tasks.search.count) == ("affine", 2)
    assert zero.tasks.search.valid == settings.tasks.search.valid
    assert (one.space.learn.size, one.space.setup.size, one.search.method) == (7, 3, "mgg")
    assert two.hurdles
    assert not one.hurdles
    assert {**three.tables(), "islands": settings.tables()["islands"]} == settings.tables()
    assert [plan.tasks for plan in settings.plans()] == [1, 0, 0, 0]
    assert [plan.measure for plan in settings.plans()] == [1, 0, 2, 0]
    assert [
        plan.population for plan in changed('islands=[{search={method="random"}}]').plans()
    ] == [1]


def test_what_is_saved_says_the_same() -> None:
    settings = changed(*UNEQUAL, text=SMALL)
    again = Settings.from_text(settings.to_toml(), "saved")
    assert again == settings
    assert again.plans() == settings.plans()


def test_sizes_may_vary_where_they_are_fixed() -> None:
    settings = changed(
        'islands=[{space={learn={min=1, max=9}}, search={mutations=["insert", "remove"]}}]'
    )
    (plan,) = settings.plans()
    assert (plan.settings.space.learn.min, plan.settings.space.learn.max) == (1, 9)


def test_as_many_islands_as_there_are_tables_for() -> None:
    assert changed("islands=[{count=3}, {}]").search.islands == 4
    assert changed("islands=[{count=3}, {}]", "search.workers=4").search.workers == 4
    assert len(changed("islands=[{count=3}]", "search.islands=7").plans()) == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("islands=3", "islands: expected a list, got 3"),
        ("islands=[3]", "islands: expected a table, got 3"),
        ("islands=[{count=0}]", "islands[0].count: expected a whole number from 1 on, got 0"),
        ("islands=[{search={seed=1}}]", "islands[0].search.seed: expected what islands can"),
        ("islands=[{search={stop={programs=1}}}]", "islands[0].search.stop: expected what islands"),
        ("islands=[{tasks={final={}}}]", "islands[0].tasks.final: expected what islands can"),
        ("islands=[{}, {tasks={search={task='mnst'}}}]",
         "islands[1].tasks.search.task: expected a known task kind, got 'mnst'"),
        ("islands=[{search={population='x'}}]", "islands[0].search.population: expected a valid"),
        ("islands=[{foo=1}]", "islands[0]: expected known keys, got 'foo'"),
        ("islands=[{search={popul=1}}]", "islands[0].search: expected known keys, got 'popul'"),
        ("islands=[{search={population={min=3, max=1}}}]",
         "islands[0].search.population.max: expected min (3) or more, got 1"),
        ("islands=[{search={population={min=0, max=9, scale='log'}}}]",
         "islands[0].search.population.min: expected a number above 0"),
        ("islands=[{search={population={min=1, max=9, scale='lag'}}}]",
         "islands[0].search.population.scale: expected 'linear' or 'log', got 'lag'; did you"),
        ("islands=[{search={population={min=1.5, max=9}}}]",
         "islands[0].search.population.min: expected a whole number, got 1.5"),
        ("islands=[{search={population={min=1, max=9, step=2}}}]",
         "islands[0].search.population: expected min, max and scale, got 'step'"),
        ("islands=[{search={population={min=0, max=9}}}]",
         "islands[0].search.population: expected greater than or equal to 1"),
        ("islands=[{tasks={search={seed=4}}}]", "tasks.select: expected tasks by which programs"),
    ],
)  # fmt: skip
def test_errors_name_the_key(change: str, message: str) -> None:
    assert message in refusal(change)


def test_more_errors() -> None:
    assert "at most search.islands (2) together, got 3" in refusal(
        "search.islands=2", "islands=[{count=3}]"
    )
    assert "islands[0].tasks.select: expected the same metric as" in refusal(
        SELECT, "islands=[{tasks={search={task='digits', metric='accuracy'}}}]"
    )


def test_a_path_into_a_list() -> None:
    for change, message in (
        ("islands[1].count=3", "islands[1]: expected"),
        ("search[0]=3", "search: expected a list"),
        ("islands.count=3", "islands: expected a table"),
        ("islands[x]=3", "expected KEY=VALUE"),
    ):
        assert message in refusal("islands=[]", change)
    both = ("islands[0].search.population=20", "islands[1]={count=2}", "islands[0]=")
    assert changed(*both).islands == ({"count": 2},)
    assert changed(*both[:2], "islands[0].search.population=").search.islands == 3


# ---- exchange -----------------------------------------------------------------------------------


def test_a_program_from_other_tasks_is_scored_anew() -> None:
    """As if it had been drawn here, and it is counted."""
    tasks = tasks_of(3, 2)
    one, other = (island(SPEC, tasks, population=20, seed=seed) for seed in (1, 2))
    one.run(200, AMPLE)
    other.run(200, AMPLE)
    before = one.counts()
    for place in range(10):
        packed, fitness, birth = other.member(place)
        receive(one, place, packed, math.nan, birth)
        assert one.member(place) == (packed, pytest.approx(fitness, abs=1e-12), birth)
    after = one.counts()
    assert after["received"] == 10
    assert after["programs"] == before["programs"] + 10
    decided = ("evaluated", "level1", "level2")
    assert sum(after[name] - before[name] for name in decided) == 10


class Populations:
    def __init__(self, sizes: list[int]) -> None:
        self.sizes, self.received = sizes, {}

    def emigrants(self, places: Any) -> Any:
        gift = (b"", b"", b"")
        return {n: migrants([(gift, float(n), 0)] * len(asked)) for n, asked in places.items()}

    def receive(self, given: Any) -> None:
        self.received = {number: one.members.heads["fitness"] for number, one in given.items()}


def test_fitness_is_not_taken_along_to_other_tasks() -> None:
    there = Populations([8, 20, 40])
    migrate(there, there.sizes, 0.5, 1, 1, measures=[0, 1, 0])
    assert [len(there.received[n]) for n in range(3)] == [4, 10, 20]
    for number, alike in enumerate(({0.0, 2.0}, {1.0}, {0.0, 2.0})):
        known = [f for f in there.received[number].tolist() if not math.isnan(f)]
        assert set(known) <= alike
        assert 0 < len(known) < len(there.received[number]) or number == 0


def test_what_does_not_fit_stays_away() -> None:
    settings = changed(*UNEQUAL, text=SMALL)
    tasks = settings.make_tasks("search")
    host = Islands(settings, tasks, 1, (1, 3), None)
    host.run([1, 3], 100, 100.0)
    before = {n: [host.islands[n].member(place) for place in range(30)] for n in (1, 3)}
    gifts = {1: dict(enumerate(before[3])), 3: dict(enumerate(before[1]))}
    host.receive({number: given(gift) for number, gift in gifts.items()})
    for n in (1, 3):
        assert [host.islands[n].member(place) for place in range(30)] == before[n]
        assert host.counts(n).received == 0


# ---- whole searches -----------------------------------------------------------------------------


def test_the_course_is_the_same_with_workers_and_gone_on_with(tmp_path: Any) -> None:
    outcomes = []
    for name, workers in (("one", 1), ("two", 2)):
        outcome = small(*UNEQUAL).run(seed=3, workers=workers, out=tmp_path / name)
        outcomes.append((told(outcome), left(tmp_path / name)))
    assert outcomes[0] == outcomes[1]
    assert min(row.received for row in outcome.history[-1]) > 0
    # Programs that an island scores for others count as its own.
    assert outcome.history[-1][0].programs >= 1000

    part = tmp_path / "part"
    small(*UNEQUAL, "search.stop={programs=3200}").run(seed=3, out=part)
    again = Search.resume(part, ["search.stop.programs=4000"]).run(workers=2)
    assert again.history == outcome.history
    assert again.best == outcome.best


def test_tasks_of_an_island_are_not_those_to_select_by() -> None:
    same = "islands[0].tasks.search={task='linear', seed=7}"
    search = small("search.islands=2", UNEQUAL[1], "migration=")
    with pytest.raises(ConfigError, match=r"islands\[0\]\.tasks\.select: expected tasks that"):
        search.settings.changed([same])
