"""Searches described in Python: tasks as they are, tables as dicts, keys as keywords."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from search_files import SMALL, changed, small, told

import azc
from azc.errors import ConfigError, StateError, TaskError
from azc.search import Search


def tables() -> dict[str, Any]:
    return tomllib.loads(SMALL)


def given(which: str) -> azc.TaskSet:
    """The tasks that `SMALL` has there."""
    return changed(text=SMALL).make_tasks(which)  # type: ignore[arg-type]


def described(**changes: Any) -> Search:
    """`SMALL` with its tasks given."""
    settings = {key: value for key, value in tables().items() if key != "tasks"}
    keywords = settings.pop("search") | settings | changes
    sets = {"tasks": list(given("search")), "select": given("select"), "final": given("final")}
    return Search(**(sets | keywords))


def test_given_tasks_take_the_course_of_those_that_are_made() -> None:
    assert told(described().run(seed=7)) == told(small().run(seed=7))


def test_workers_have_them_too() -> None:
    assert told(described(workers=2).run(seed=7)) == told(described().run(seed=7))


def test_going_on_needs_the_same_tasks(folder: Path) -> None:
    described(stop={"programs": 1200}).run(seed=7, out=folder)
    more = ["search.stop.programs=4000"]
    with pytest.raises(TaskError, match=r"tasks\.search: expected tasks that can be made.*tasks=…"):
        Search.resume(folder, more).run()
    sets = {"tasks": given("search"), "select": given("select"), "final": given("final")}
    others = azc.tasks.make_set("linear", features=4, train=30, valid=10, count=3, seed=9)
    with pytest.raises(StateError, match=r"expected linear\[0\] as it was when the search began"):
        Search.resume(folder, more, **(sets | {"tasks": others})).run()
    gone_on = Search.resume(folder, more, **sets).run()
    # But for the report where the first budget ended, which going on keeps.
    assert gone_on.best == described().run(seed=7).best


def test_the_whole_as_a_dict() -> None:
    assert Search(tables()).settings == small().settings
    assert Search(tables(), tasks=tables()["tasks"]).settings == small().settings
    with pytest.raises(ConfigError, match="settings: expected the key 'search', got none"):
        Search({})


def test_keywords_come_on_top() -> None:
    search = Search(
        "demo", tasks="affine", population=40, restart={"patience": 100}, fec={"train": 5}
    )
    settings = search.settings
    assert (settings.search.method, settings.search.population) == ("niches", 40)
    assert settings.restart
    assert settings.restart.patience == 100
    assert settings.fec.train == 5
    # Nor is it selected by the tasks of other problems.
    assert (settings.tasks.search.task, settings.tasks.select) == ("affine", None)
    alike = Search(small().settings, select={"task": "linear", "count": 5, "features": 4})
    assert alike.settings.tasks.search == small().settings.tasks.search
    assert alike.settings.tasks.select
    assert alike.settings.tasks.select.count == 5
    assert Search(small().settings, migration=None).settings.migration is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": []}, "tasks: expected at least one task, got none"),
        ({"select": 5}, "select: expected a Task, or a sequence of them, got int"),
        ({"select": [5]}, "select: expected a Task, got int"),
        ({"methd": "mgg"}, "keywords of a search, got 'methd'; did you mean 'method'"),
        ({"population": 0}, r"search\.population: expected greater than or equal to 1, got 0"),
        ({"space": {"scalars": "4"}}, r"space\.scalars: expected a valid integer"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, TaskError), match=message):
        described(**changes)


def test_tasks_that_do_not_go_together() -> None:
    task = azc.tasks.make("linear", features=4, train=30, valid=10)
    signs = (task.X_train, task.y_train > 0, task.X_valid, task.y_valid > 0)
    classes = azc.Task(*signs, metric="accuracy")
    with pytest.raises(ConfigError, match=r"tasks\.search: expected tasks of one kind, got "):
        described(tasks=[task, classes], select=None, final=None).run()
    with pytest.raises(ConfigError, match=r"tasks\.select: expected the same metric"):
        described(select=[classes]).run()
    with pytest.raises(ConfigError, match=r"tasks\.select: expected tasks that tasks\.search does"):
        described(select=list(given("search"))).run()
    few = azc.tasks.make("linear", features=4, train=20, valid=10)
    with pytest.raises(ConfigError, match="expected tasks with equally many examples, got 20"):
        described(tasks=[few, task], select=None, final=None).run()
