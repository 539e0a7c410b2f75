"""Folders of searches that can be told by their number of saves, and processes that write them.

Run as a program, this file is the process that is killed, runs out of disk, or holds the lock.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from azc import parse
from azc.errors import StateError
from azc.ops import by_name
from azc.program import Instruction, Program
from azc.search.report import Ancestor, Best, Counts
from azc.search.store import Store, read_hall, read_history, read_lineage

SETTINGS = '# as run\n[search]\nseed = 7\nname = "ä\\n"\n'
SEED = 7
ISLANDS = 3
READERS: list[Callable[[Path], list[Any]]] = [read_history, read_hall, read_lineage]

# ---- a search that can be told by its number of saves ------------------------------------------


def constant(value: float) -> Program:
    return Program(learn=(Instruction(by_name("scalar_const"), 2, (), (value,)),))


def counts(island: int, number: int) -> Counts:
    return Counts(island, 1, number, 2, 3, 4, 5, 6, 7, 1000 * number, 8, 0, number / 3, number / 7)


def content(number: int, size: int = 40_000) -> dict[str, Any]:
    """What the save of that number has; every third is in the middle of an interval."""
    chance = random.Random(number)
    best = [Best(constant(number + k), k, 1, number, k / 7) for k in range(1 + number % 4)]
    return {
        "reports": [[counts(i, number) for i in range(ISLANDS) if number % 3]],
        "course": {"number": number, "more": [number / 7, "ü", None]},
        "islands": {i: chance.randbytes(size + i) for i in range(ISLANDS)},
        "hall": best,
        "lineage": [
            Ancestor(k, k - 1, "start", k / 3, constant(k)) for k in range(number % 50, 60)
        ],
    }


def history(number: int) -> list[list[Counts]]:
    """The history after that many saves."""
    return [[counts(i, n) for i in range(ISLANDS)] for n in range(1, number + 1) if n % 3]


def check_read(folder: Path, number: int) -> None:
    """What the readers give is of that save, and of no other."""
    assert read_history(folder) == history(number)
    saved = content(number) if number else {"hall": [], "lineage": []}
    assert read_hall(folder) == saved["hall"]
    assert read_lineage(folder) == saved["lineage"]


def check_restored(store: Store, number: int, size: int = 40_000) -> None:
    """What is restored is of that save."""
    saved = content(number, size) if number else None
    assert store.restore() == ((saved["course"], saved["islands"]) if saved else None)


def check(store: Store, number: int, size: int = 40_000) -> None:
    """The same of the store, the readers, and the files beside the database."""
    assert (store.settings, store.seed) == (SETTINGS, SEED)
    check_restored(store, number, size)
    check_read(store.folder, number)
    assert (store.folder / "search.toml").read_bytes() == SETTINGS.encode()
    files = sorted((store.folder / "hall_of_fame").glob("*.az"))
    hall = content(number)["hall"] if number else []
    assert [path.name for path in files] == [f"0{n}.az" for n in range(1, len(hall) + 1)]
    assert [parse(path.read_text()) for path in files] == [best.program for best in hall]
    best = store.folder / "best.az"
    assert best.read_bytes() == files[0].read_bytes() if hall else not best.exists()


def made(folder: Path, saves: int, size: int = 40_000) -> Path:
    """`folder`, with a run that ended after so many saves."""
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        for number in range(1, saves + 1):
            store.save(**content(number, size))
    return folder


@contextmanager
def process(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """This file as a program, killed in the end if it has not ended."""
    command = [sys.executable, __file__, *map(str, arguments)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def said(child: subprocess.Popen[str]) -> str:
    """The next line of a process."""
    assert child.stdout
    assert child.stderr
    return child.stdout.readline().strip() or child.stderr.read()


def finished(*arguments: object) -> str:
    """All that a process says, which must succeed."""
    with process(*arguments) as child:
        out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    return out


# ---- other processes ----------------------------------------------------------------------------


def _write_until_killed(folder: Path, report: int) -> None:
    """Goes on with the run, or begins it; every save that is done is a line in `report`."""
    began = (folder / "run.sqlite").exists()
    store = Store.open(folder) if began else Store.create(folder, SETTINGS, seed=SEED)
    restored = store.restore()
    number = restored[0]["number"] if restored else 0
    while True:
        number += 1
        store.save(**content(number))
        os.write(report, b"%d\n" % number)
        if number % 4 == 0:
            store.close()
            store = Store.open(folder)


def _kill_one(folder: Path, saves: int, seconds: float) -> int:
    """The last save that was done by a process that was killed so long after so many saves."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _write_until_killed(folder, writing)
        finally:
            os._exit(1)
    os.close(writing)
    with open(reading) as lines:
        # On a machine with much to do, time alone might never let it come to saving.
        done = [int(next(lines)) for _ in range(saves)]
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, "it ended by itself"
        return max([*done, *map(int, lines)], default=0)


def _kill(folder: Path, rounds: int) -> None:
    chance = random.Random()
    reached = []
    for round in range(rounds):
        # A new run every few rounds; the others go on where the killed one was.
        run = folder / f"run{round // 6}"
        before = reached[-1] if round % 6 else 0
        saves = chance.choice([0, 0, 1, 2, 3, 4])
        done = _kill_one(run, saves, chance.uniform(0, 0.03 if saves else 0.06))
        if not (run / "run.sqlite").exists():
            assert done == 0
            reached.append(0)
            continue
        best = run / "best.az"
        assert parse(best.read_text()) if best.exists() else done == 0
        hall = read_hall(run)
        number = hall[0].birth if hall else 0
        assert max(before, done) <= number <= max(before, done) + 1
        check_read(run, number)
        with Store.open(run) as store:
            check(store, number)
        reached.append(number)
    print("killed", *reached)


def _hold(folder: Path) -> None:
    with Store.open(folder) as store:
        store.save(**content(2))
        print("held", flush=True)
        sys.stdin.read()


def _hold_records(folder: Path) -> None:
    def fail(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    fcntl.flock = fail  # type: ignore[assignment]
    _hold(folder)


def _fork(folder: Path) -> None:
    store = Store.open(folder)
    if (worker := os.fork()) == 0:
        time.sleep(60)
        os._exit(0)
    store.save(**content(2))
    print(worker, flush=True)
    sys.stdin.read()


def _close(folder: Path) -> None:
    """In a forked process, in the middle."""
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        store.save(**content(1))
        if (worker := os.fork()) == 0:
            store.close()
            os._exit(0)
        assert os.waitpid(worker, 0)[1] == 0
        store.save(**content(2))
        with suppress(StateError):
            Store.open(folder)
            raise AssertionError("the lock is lost")
        store.save(**content(3))
        check(store, 3)
    print("done")


def _loop(folder: Path) -> None:
    number = 0
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        store.save(**content(1, 0))
    while True:
        with Store.open(folder) as store:
            for _ in range(3):
                number += 1
                if number > 1:
                    store.save(**content(number, 0))
        if number == 3:
            print(1, flush=True)


def _refused(folder: Path) -> None:
    # What is imported on first use may lie where only root may read.
    check_read(folder / "run", 2)
    with suppress(StateError):
        Store.create(Path("/proc/run"), SETTINGS, seed=SEED)
    if os.geteuid() == 0:
        os.seteuid(65534)
    check_read(folder / "run", 2)
    uses: list[Callable[[], object]] = [
        lambda: Store.open(folder / "run"),
        lambda: Store.create(folder / "new", SETTINGS, seed=SEED),
        lambda: Store.create(Path("/proc/run"), SETTINGS, seed=SEED),
    ]
    for use in uses:
        try:
            use()
            print("it worked")
        except StateError as error:
            print(error)


def _full(folder: Path, limit: int) -> None:
    """Saves more and more until it does not fit any more, then less."""
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        number, size, problem = 0, 20_000, ""
        while not problem:
            try:
                store.save(**content(number + 1, size * 2))
            except StateError as error:
                problem = str(error)
            else:
                number, size = number + 1, size * 2
                check(store, number, size)
        assert "; make room, " in problem or "; check it, " in problem, problem
        # The files of programs are whole, but may be those of the save that failed.
        check_read(folder, number)
        check_restored(store, number, size)
        assert parse((folder / "best.az").read_text())
        with suppress(StateError):
            # There may be no room in the log even for this.
            store.save(**content(number + 1, 10_000))
            number, size = number + 1, 10_000
    print("full", number, size)


if __name__ == "__main__":
    what, place, *numbers = sys.argv[1:]
    globals()[f"_{what}"](Path(place), *map(int, numbers))
