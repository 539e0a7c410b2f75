"""The options of tasks are declared once; commands, search files and `make_set` follow from it."""

import inspect

import pytest

from azc.cli.command_run import command
from azc.errors import TaskError
from azc.tasks import make, make_set
from azc.tasks.declared import TaskKeywords, checked_options, task_options
from azc.tasks.options import TaskOptions

NAMES = list(TaskKeywords.__annotations__)


def test_everything_follows():
    assert [option.name for option in task_options()] == NAMES
    assert list(TaskOptions.model_fields) == ["task", *NAMES]
    assert list(inspect.signature(make_set).parameters) == ["spec", "first", *NAMES]
    assert list(inspect.signature(make).parameters) == ["spec", "index", *NAMES[1:]]
    by_name = {param.name: param for param in command.params}
    assert set(NAMES) <= set(by_name)
    for option in task_options():
        assert by_name[option.name].help == option.help


def test_every_option_is_documented():
    for name in NAMES:
        assert name in make_set.__doc__


def test_none_is_the_default():
    everything = checked_options(dict.fromkeys(NAMES))
    assert {name for name, value in everything.items() if value is not None} == {"seed"}


@pytest.mark.parametrize("option", task_options(), ids=lambda option: option.name)
def test_wrong_types(option):
    if option.name == "count":
        wrong = [0, -1, 2.0, "3", True]
    elif option.type is int:
        wrong = [option.low - 1, option.high + 1, 2.5, "3", True]
    else:
        wrong = [3, 2.5, object(), [3]]
    for value in wrong:
        with pytest.raises(TaskError, match=option.name):
            checked_options({option.name: value})


@pytest.mark.parametrize("option", [o for o in task_options() if o.only], ids=lambda o: o.name)
def test_options_of_other_kinds(option):
    value = True if option.type is bool else (option.choices or ("x",))[-1]
    with pytest.raises(TaskError, match=f"no {option.name} for 'linear'.*it belongs to"):
        make("linear", **{option.name: value})
