"""What runs programs: the reference, the interpreter, compiled code, or the better of these two."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from azc.errors import CompileError, warn
from azc.machines import BUILDING
from azc.result import Result
from azc.running import Work, run_compiled, run_interpreted, run_reference, structures_of
from azc.tasks import Task

__all__ = ["TIERS", "run"]

#: What runs a program: `auto` begins with the interpreter, and changes to compiled code where that
#: is at hand, or pays for its building.
TIERS = ("auto", "interpreter", "compiled", "reference")


def run(work: Work, tier: str) -> Result:
    """Train and validate on one of `TIERS`."""
    started = time.perf_counter()
    runners = {
        "auto": _auto,
        "interpreter": run_interpreted,
        "compiled": run_compiled,
        "reference": run_reference,
    }
    result = runners[tier](work)
    result.reason = result.reason or "asked for"
    result.seconds = time.perf_counter() - started
    return result


# ---- the choice ---------------------------------------------------------------------------------

#: How long the interpreter runs before it is asked whether compiled code would end sooner.
_TRIAL = 0.05


#: How much faster compiled code is expected to be before any was measured: with matrices that are
#: larger than the caches, and otherwise.
_FIRST_GAINS = {True: 2.5, False: 1.5}


class _Change(Exception):  # noqa: N818
    """Leaves the interpreter in the middle of a run."""


def _auto(work: Work) -> Result:
    """Begins with the interpreter; what it has done in the first moments says how long the whole
    will take, and a build of known cost is weighed against that."""
    # Counted from the first report on, when tasks are packed and Setup is done.
    began: tuple[float, int] | None = None
    reason, whole, furthest = "", 0.0, 0

    def tell(done: int, most: int) -> None:
        # Compiled code begins anew; what is told of it does not go back.
        nonlocal furthest
        furthest = max(furthest, done)
        if work.progress:
            work.progress(furthest, most)

    def look(done: int, most: int) -> None:
        nonlocal began, reason, whole
        began = began or (time.perf_counter(), done)
        elapsed, served = time.perf_counter() - began[0], done - began[1]
        if not reason and elapsed >= _TRIAL and served:
            whole = elapsed / served * most
            change, reason = _weigh(work, whole, whole - elapsed)
            if change:
                raise _Change
        tell(done, most)

    try:
        result = run_interpreted(replace(work, progress=look))
    except _Change:
        again = replace(work, progress=tell) if work.progress else work
        try:
            result = run_compiled(again)
            _record_gain(work.tasks, whole, result.running)
        except CompileError as error:
            # The interpreter can do all that compiled code can.
            warn(f"compiling failed, so that the interpreter runs the program: {error}")
            result = run_interpreted(again)
            reason = "compiling failed"
    result.reason = reason or f"done within {_TRIAL:g} s, which no build could better"
    return result


def _weigh(work: Work, whole: float, left: float) -> tuple[bool, str]:
    """Whether to change to compiled code, and why: the interpreter needs `whole` seconds for all,
    of which so many are `left`."""
    from azc.compiler import natives
    from azc.compiler.toolchain import find_toolchain

    try:
        vector = find_toolchain().vector
        wanted = {s for _, s, _ in structures_of(work.program, work.tasks, vector)}
        with BUILDING:
            missing = wanted - natives.find(wanted).keys()
        build = natives.build_seconds(missing) if missing else 0.0
        gain = natives.recorded(_gain_name(work.tasks), _FIRST_GAINS[_is_deep(work.tasks)])
    except CompileError as error:
        _warn_once(f"programs run on the interpreter alone, as there is no C compiler: {error}")
        return False, "there is no C compiler"
    change = build + whole / gain < left
    costs = f"a build of {build:.2g} s" if missing else "compiled code from the cache"
    run = f"{costs} and a run of {whole / gain:.2g} s"
    return change, f"the interpreter would take {left:.2g} s more, {run}"


def _is_deep(tasks: Sequence[Task]) -> bool:
    return max(task.features for task in tasks) > 64


def _gain_name(tasks: Sequence[Task]) -> str:
    return f"gain with {'many' if _is_deep(tasks) else 'few'} features"


def _record_gain(tasks: Sequence[Task], interpreted: float, compiled: float) -> None:
    from azc.compiler import natives

    if compiled > 0:
        natives.record(_gain_name(tasks), min(max(interpreted / compiled, 1.05), 50.0))


_warned: set[str] = set()


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        warn(message)
