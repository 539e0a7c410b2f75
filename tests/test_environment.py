"""The floating-point environment of the caller changes no result, and is left as it was.

A library linked with -Ofast sets subnormal numbers to zero for the process that loads it; others
choose a rounding. Both are done here with the C library's own functions.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import hashlib
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

import azc
from azc.runtime import _core

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or sys.platform != "linux",
    reason="sets the environment by the layout that it has there",
)

FE_UPWARD = 0x800
#: Subnormal results are zero, and subnormal operands.
FLUSH = 0x8000 | 0x0040

# Numbers so small that they are lost where subnormal ones are, and sums that rounding changes.
TEXT = """
def Setup():
    s2 = 1e-160
    s5 = 0.1
def Predict():
    s3 = norm(v0)
    s3 = s3 * s2
    s3 = s3 * s2
    s4 = s3 / 1e-320
    s1 = dot(v0, v1)
    s1 = s1 + s4
    s1 = s1 + exp(s5)
def Learn():
    s6 = s0 - s1
    s6 = s6 * s5
    v2 = s6 * v0
    v1 = v1 + v2
    v3 = gaussian(0, 0.001, n_features)
    v1 = v1 + v3
"""

VALUES = [k / 7 - 3 for k in range(50)]

_libm = ctypes.CDLL(ctypes.util.find_library("m"))


class _Environment(ctypes.Structure):
    """glibc's fenv_t: the x87 part, then MXCSR."""

    _fields_ = [("x87", ctypes.c_uint32 * 7), ("mxcsr", ctypes.c_uint32)]


def mxcsr() -> int:
    """The thread's control bits, without the flags that arithmetic raises."""
    now = _Environment()
    _libm.fegetenv(ctypes.byref(now))
    return int(now.mxcsr) & ~0x3F


@contextmanager
def environment(flush: bool, rounding: int) -> Iterator[None]:
    before, changed = _Environment(), _Environment()
    _libm.fegetenv(ctypes.byref(before))
    if rounding:
        _libm.fesetround(rounding)
    _libm.fegetenv(ctypes.byref(changed))
    changed.mxcsr |= FLUSH if flush else 0
    _libm.fesetenv(ctypes.byref(changed))
    try:
        yield
    finally:
        _libm.fesetenv(ctypes.byref(before))


def bits(tier: str) -> str:
    """A hash of tasks, predictions and fitness, and of what the runtime draws."""
    found = hashlib.sha256()
    program = azc.parse(TEXT)
    for count in (1, 4):
        tasks = azc.tasks.make_set("teacher-nn", features=8, train=40, valid=10, count=count)
        result = azc.evaluate(program, tasks, tier=tier, epochs=2)
        arrays = [a for task in tasks for a in (task.X_train, task.y_train)]
        for array in (*arrays, *result.predictions, result.fitness, result.value):
            found.update(np.ascontiguousarray(array).tobytes())
        found.update(np.float64(result.mean).tobytes())
    values = np.array(VALUES)
    _core.apply("exp", values)
    found.update(values.tobytes())
    found.update(str(program).encode())
    return found.hexdigest()


CHANGED = [(True, 0), (False, FE_UPWARD), (True, FE_UPWARD)]


@pytest.mark.parametrize(("flush", "rounding"), CHANGED)
@pytest.mark.parametrize("tier", ["interpreter", "compiled", "reference"])
def test_results_do_not_depend_on_it(tier: str, flush: bool, rounding: int) -> None:
    expected = bits(tier)
    with environment(flush, rounding):
        changed = mxcsr()
        found = bits(tier)
        after = mxcsr()
    assert changed != mxcsr()
    assert after == changed
    assert found == expected


@pytest.mark.parametrize(("flush", "rounding"), CHANGED)
def test_searches_do_not_depend_on_it(flush: bool, rounding: int) -> None:
    stop = ["search.stop.programs=3000", "compile.hot=false"]

    def course() -> str:
        outcome = azc.Search.from_toml("demo", stop).run(seed=3)
        return f"{outcome.history} {outcome.fitness} {outcome.program}"

    expected = course()
    with environment(flush, rounding):
        changed = mxcsr()
        found = course()
        after = mxcsr()
    assert found == expected
    assert after == changed


def test_it_is_put_back_where_a_call_fails() -> None:
    with environment(True, FE_UPWARD):
        changed = mxcsr()
        with pytest.raises(azc.AzcError):
            azc.tasks.make_set("digits:3,99")
        with _core.Environment():
            assert mxcsr() != changed
        assert mxcsr() == changed


def test_subnormal_numbers_are_not_lost_from_a_users_arrays() -> None:
    x = np.full((4, 2), 2.0**-140, dtype=np.float32)
    y = np.zeros(4)
    with environment(True, 0):
        task = azc.Task(x, y, x, y)
    assert task.X_train[0, 0] == 2.0**-140
