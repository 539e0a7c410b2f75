"""Errors survive the way from one process to another."""

from __future__ import annotations

import importlib
import multiprocessing
import pickle
import pkgutil

import pytest

import azc
from azc.errors import AzcError, Diagnostic


def every_error() -> list[type[AzcError]]:
    """Every subclass of `AzcError` in the package."""
    for module in pkgutil.walk_packages(azc.__path__, "azc."):
        if not module.name.endswith(("__main__", "runtime.generate")):
            importlib.import_module(module.name)
    found, left = [], [AzcError]
    while left:
        found.append(left.pop())
        left.extend(found[-1].__subclasses__())
    return [cls for cls in found if cls.__module__.startswith("azc.")]


MADE_FROM = {
    "ParseError": (Diagnostic("expected a name, got 1", "a.az", 3, 5, "1 = 2"),),
    "StateError": ("no room", True),
    "ResourceError": ("too large", 12345),
}


@pytest.mark.parametrize("cls", every_error(), ids=lambda cls: cls.__name__)
def test_errors_survive_pickling(cls: type[AzcError]) -> None:
    error = cls(*MADE_FROM.get(cls.__name__, ("expected this, got that",)))
    error.add_note("on the way")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))
        assert type(again) is cls
        assert str(again) == str(error)
        assert again.args == error.args
        assert vars(again) == vars(error)


def test_a_subclass_of_a_users_own() -> None:
    error = pickle.loads(pickle.dumps(Own(1, size=2)))
    assert (error.args, error.number, error.size) == (("1 of 2",), 1, 2)


class Own(azc.TaskError):
    def __init__(self, number: int, *, size: int) -> None:
        super().__init__(f"{number} of {size}")
        self.number, self.size = number, size


def test_a_pool_tells_of_a_wrong_program() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        result = pool.map_async(azc.parse, ["def Predict():\n    s1 = \n"])
        with pytest.raises(azc.ParseError) as caught:
            result.get(timeout=60)
    assert (caught.value.line, caught.value.column) == (2, 10)
    assert caught.value.diagnostic.source == "    s1 = "


def test_programs_survive_pickling() -> None:
    program = azc.parse('"""Doc."""\nparam lr = 0.1 in (0, 1)\ndef Learn():\n    w = lr * s0\n')
    assert program.hash  # what was derived from it stays behind
    again = pickle.loads(pickle.dumps(program))
    assert again == program
    assert again.hash == program.hash
    assert (again.doc, again.params, again.names) == (program.doc, program.params, program.names)
