"""Functions found or built: by several processes and threads at once, killed, robbed, forked."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import programs
import pytest

from azc.compiler import natives
from azc.compiler.cache import Cache
from azc.compiler.natives import Obtained, build_seconds, find, obtain, record, recorded
from azc.compiler.structure import ENTRIES, LANES, Arguments, Structure, structure_of
from azc.compiler.toolchain import find_toolchain, missing
from azc.errors import AzcWarning, CompileError
from azc.packing import pack
from azc.program import Instruction, Program
from azc.runtime import _core

if reason := missing():
    pytest.skip(f"needs a C compiler: {reason}", allow_module_level=True)

FEATURES = 5
NAMES = ("scalar_add", "scalar_sub", "scalar_mul", "scalar_min", "scalar_max")


def program(number: int) -> Program:
    """Number `number` of as many programs as are wanted, of a structure of its own each."""
    body = [Instruction(programs.by_name("dot"), 1, (0, 0))]
    left = number
    while left or len(body) == 1:
        left, digit = divmod(left, len(NAMES))
        body.append(Instruction(programs.by_name(NAMES[digit]), 1, (1, 2)))
    setup = Instruction(programs.by_name("scalar_const"), 2, (), (0.75 + number,))
    return Program(setup=(setup,), predict=tuple(body))


def structure(number: int, layout: str = ENTRIES) -> tuple[Structure, Arguments]:
    return structure_of(program(number), classes=0, features=FEATURES, layout=layout)


def structures(count: int, first: int = 0) -> list[Structure]:
    found = [structure(first + number)[0] for number in range(count)]
    assert len(set(found)) == count
    return found


def right(found: Obtained, number: int) -> bool:
    """Whether the function does what program `number` does."""
    _, arguments = structure(number, ENTRIES if found.native.lanes == 1 else LANES)
    task = programs.random_task(np.random.default_rng(number), FEATURES)
    lanes = found.native.lanes
    fitness, value, raw = np.zeros(lanes), np.zeros(lanes), np.zeros((lanes, 5, 1))
    _core.Machine().run(
        _core.Code(program(number).packed()),
        pack([task], lanes, lanes),
        fitness,
        value,
        raw,
        native=found.native,
        constants=arguments.for_lanes(lanes, lanes),
        places=arguments.places,
        max_abs_error=1e9,
    )
    got = programs.Outcome(fitness[:1], value[:1], [raw[0, :, 0]])
    return got.same_bits(programs.interpret(program(number), [task], lanes=1, max_abs_error=1e9))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, which this process knows nothing of yet."""
    monkeypatch.setenv("AZC_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("AZC_CACHE_LIMIT", raising=False)
    monkeypatch.setattr(natives, "_loaded", {})
    monkeypatch.setattr(natives, "_warned", set())
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the first three structures."""
    folder = tmp_path_factory.mktemp("template") / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZC_CACHE_DIR", str(folder))
        patch.setattr(natives, "_loaded", {})
        obtain(structures(3))
    return folder


@pytest.fixture
def filled(template: Path, home: Path) -> Path:
    """The same at another path, so that the system's loader knows nothing of it either."""
    shutil.copytree(template, home)
    return home


def files(home: Path) -> set[Path]:
    return {path for path in home.rglob("*") if path.is_file()}


def assert_sound(wanted: list[Structure]) -> None:
    """The cache has all of `wanted`, verified, and nothing else."""
    cache = Cache()
    identity = find_toolchain().identity
    keys = [made.key(identity) for made in wanted]
    assert set(cache.find(keys)) == set(keys)
    assert all(entry.sound for entry in cache.entries())
    assert list((cache.directory / "tmp").glob("*")) == []


# ---- found or built -----------------------------------------------------------------------------


def test_built_once(home: Path) -> None:
    wanted = structures(3)
    assert find(wanted) == {}
    assert not home.exists()
    told: list[tuple[int, int]] = []
    built = obtain([*wanted, wanted[0]], progress=lambda *done: told.append(done))
    assert [built[made].built for made in wanted] == [True] * 3
    assert told[0] == (0, 3)
    assert told[-1] == (3, 3)
    before = files(home)
    found = obtain(wanted)
    assert found == find(wanted)
    assert [found[made].built for made in wanted] == [False] * 3
    assert [found[made].native for made in wanted] == [built[made].native for made in wanted]
    assert files(home) == before
    assert all(right(found[made], number) for number, made in enumerate(wanted))
    assert_sound(wanted)


def test_found_in_the_cache(filled: Path) -> None:
    before = files(filled)
    found = obtain(structures(3))
    assert [one.built for one in found.values()] == [False] * 3
    assert {one.module for one in found.values()} == set(filled.glob("modules/*.so"))
    assert [right(one, number) for number, one in enumerate(found.values())] == [True] * 3
    assert files(filled) == before


def test_only_what_is_missing_is_built(home: Path) -> None:
    """And what was found counts as done from the start."""
    first = structures(2)
    obtain(first)
    told: list[tuple[int, int]] = []
    found = obtain(structures(5), progress=lambda *done: told.append(done))
    assert [found[made].built for made in structures(5)] == [False, False, True, True, True]
    assert told[0] == (2, 5)
    assert told[-1] == (5, 5)


def test_layouts_at_once(home: Path) -> None:
    wanted = [structure(number, layout)[0] for number in range(4) for layout in (LANES, ENTRIES)]
    found = obtain(wanted, workers=1)
    assert {found[made].native.lanes for made in wanted} == {1, find_toolchain().vector}
    assert all(right(found[made], place // 2) for place, made in enumerate(wanted))


def test_nothing_wanted(home: Path) -> None:
    assert obtain([]) == find([]) == {}
    assert not home.exists()


def test_each_machine_has_its_own(home: Path) -> None:
    [made] = structures(1)
    native, portable = obtain([made])[made], obtain([made], cpu="portable")[made]
    assert native.module != portable.module
    assert right(native, 0)
    assert right(portable, 0)


def test_measured(home: Path) -> None:
    assert recorded("speed", 1.25) == 1.25
    for value in (1.0, 9.0, 2.0):
        record("speed", value)
    assert recorded("speed", 1.25) == 2.0
    few = structures(10)
    guess = build_seconds(few[:1])
    assert 0 < guess < build_seconds(few) < 10 * guess
    obtain(structures(1))
    [seconds] = Cache().recorded("build seconds of one program")
    assert build_seconds(few[:1]) == seconds > 0


# ---- several at once ----------------------------------------------------------------------------


def test_threads_at_once(home: Path) -> None:
    """With the same structures, overlapping ones, and others."""
    wanted = [structures(6), structures(6), structures(6, 3), structures(4, 20)]
    got: list[dict[Structure, Obtained]] = [{}] * len(wanted)
    failed: list[BaseException] = []

    def work(place: int) -> None:
        try:
            got[place] = obtain(wanted[place])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(wanted))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    for place, first in enumerate((0, 0, 3, 20)):
        assert all(right(got[place][m], first + n) for n, m in enumerate(wanted[place]))
    assert all(got[0][made].native is got[1][made].native for made in wanted[0])
    # Of two threads that want the same, one built it.
    assert {any(found.built for found in got[place].values()) for place in (0, 1)} == {True, False}
    assert_sound([made for each in wanted for made in each])


CHILD = """
import sys
sys.path[:0] = {paths!r}
import importlib.util
spec = importlib.util.spec_from_file_location("test_natives", {file!r})
tests = importlib.util.module_from_spec(spec)
sys.modules["test_natives"] = tests
spec.loader.exec_module(tests)
{code}
"""


def child(code: str, tmp_path: Path, **more: str) -> subprocess.Popen[str]:
    """Another process, in which this module is `tests`; it leads a group of its own."""
    file = str(Path(__file__))
    text = CHILD.format(paths=[os.path.dirname(programs.__file__)], file=file, code=code)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", text],
        env={**os.environ, "TMPDIR": str(tmp_path), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def output(process: subprocess.Popen[str]) -> str:
    """What it printed; it must have ended well, and silently."""
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    return out


OBTAIN = """
wanted = tests.structures({count}, {first})
found = tests.obtain(wanted)
print(sum(tests.right(found[made], {first} + number) for number, made in enumerate(wanted)))
"""


def rounds(tmp_path: Path, count: int, first: int, delays: list[float]) -> int:
    """Two processes that want the same; one is killed after each of `delays` and begins again.
    Returns how often it was."""
    code = OBTAIN.format(count=count, first=first)
    process = child(code, tmp_path)
    other = child(code, tmp_path)
    killed = 0
    for delay in delays:
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            killed += 1
        else:
            assert output(process) == f"{count}\n"
        process = child(code, tmp_path)
    assert output(process) == output(other) == f"{count}\n"
    assert_sound(structures(count, first))
    return killed


def test_two_processes_one_of_them_killed(home: Path, tmp_path: Path, full: bool) -> None:
    """At random moments: as both begin, wait for each other, build, store and load."""
    random_numbers = random.Random(0)
    killed = 0
    for number in range(15 if full else 1):
        # Another cache each time, so that another process may well be the first to build.
        shutil.rmtree(home, ignore_errors=True)
        delays = [random_numbers.uniform(0.2, 1.5) for _ in range(4 if full else 2)]
        killed += rounds(tmp_path, 24, 100 * number, delays)
    if full:
        delays = [random_numbers.uniform(1.0, 20.0) for _ in range(6)]
        killed += rounds(tmp_path, 1000, 10_000, delays)
    print(f"killed {killed} times")


def test_the_only_builder_is_killed(home: Path, tmp_path: Path, full: bool) -> None:
    """While it builds, for certain; who comes next builds again, and nothing of the first is
    found half done."""
    code = """
import os, signal
from azc.compiler import natives
take = natives._take
count = 0
def killing(*arguments):
    global count
    count += 1
    if count == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return take(*arguments)
natives._take = killing
wanted = tests.structures(24)
tests.obtain(wanted, workers=2)
"""
    for at in (1, 2):
        process = child(code.format(at=at), tmp_path)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert all(entry.sound for entry in Cache().entries())
        assert len(Cache().entries()) == at - 1
    wanted = structures(24)
    before = find(wanted)
    assert 0 < len(before) < 24
    found = obtain(wanted)
    assert all(right(found[made], number) for number, made in enumerate(wanted))
    assert {made for made in wanted if not found[made].built} == set(before)
    assert_sound(wanted)


def test_forked_after_loading(home: Path, tmp_path: Path) -> None:
    """Children use what their parent has loaded, and obtain more."""
    code = """
import os
wanted = tests.structures(4)
found = tests.obtain(wanted)
children = []
for _ in range(3):
    child = os.fork()
    if not child:
        again = tests.obtain(wanted)
        more = tests.obtain(tests.structures(2, 50))
        good = all(tests.right(again[made], n) for n, made in enumerate(wanted))
        good &= all(again[made].native is found[made].native for made in wanted)
        good &= all(tests.right(f, 50 + n) for n, f in enumerate(more.values()))
        os._exit(0 if good else 1)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
print(sum(tests.right(found[made], number) for number, made in enumerate(wanted)))
"""
    assert output(child(code, tmp_path)) == "[0, 0, 0]\n4\n"


# ---- a cache that others meddle with ------------------------------------------------------------


def replaced(path: Path, content: bytes) -> None:
    """Another file of that name: the one that is loaded stays what it was."""
    path.unlink()
    path.write_bytes(content)
    path.chmod(0o600)


def damage_module(home: Path) -> None:
    for path in home.glob("modules/*.so"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        replaced(path, bytes(data))


def cut_module(home: Path) -> None:
    for path in home.glob("modules/*.so"):
        replaced(path, path.read_bytes()[:5000])


def damage_index(home: Path) -> None:
    for path in home.glob("keys/*"):
        replaced(path, path.read_bytes()[:-7] + b'"damage')


def take_modules(home: Path) -> None:
    for path in home.glob("modules/*.so"):
        path.unlink()


def take_keys(home: Path) -> None:
    for path in home.glob("keys/*"):
        path.unlink()


def evict(home: Path) -> None:
    Cache().clear()


def put_in_what_is_no_module(home: Path) -> None:
    """Whole by its hash, and its user's; but it cannot be loaded."""
    identity = find_toolchain().identity
    keys = [made.key(identity) for made in structures(3)]
    Cache().clear()
    other = home.parent / "other.so"
    other.write_bytes(b"\x7fELF, or not\n" * 100)
    assert set(Cache().add(other, "azc_native_other", keys)) == set(keys)


@pytest.mark.parametrize(
    "meddle",
    [
        damage_module,
        cut_module,
        damage_index,
        take_modules,
        take_keys,
        evict,
        put_in_what_is_no_module,
    ],
)
def test_built_again(meddle: Callable[[Path], None], filled: Path) -> None:
    wanted = structures(3)
    meddle(filled)
    found = obtain(wanted)
    assert [found[made].built for made in wanted] == [True] * 3
    assert all(right(found[made], number) for number, made in enumerate(wanted))
    assert_sound(wanted)


def test_evicted_before_it_is_loaded(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = structures(3)
    located = Cache.find

    def gone(cache: Cache, keys: list[str]) -> object:
        result = located(cache, keys)
        take_modules(filled)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(Cache, "find", gone)
        found = obtain(wanted)
    assert [found[made].built for made in wanted] == [True] * 3
    assert all(right(found[made], number) for number, made in enumerate(wanted))


def test_a_small_cache_keeps_the_last(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has been loaded works even where it is no longer kept."""
    obtain(structures(1))
    monkeypatch.setenv("AZC_CACHE_LIMIT", str(Cache().size + 100))
    found = obtain(structures(1, 1))
    assert len(Cache().entries()) == 1
    assert right(obtain(structures(1))[structures(1)[0]], 0)
    assert right(found[structures(1, 1)[0]], 1)


@pytest.mark.parametrize("case", ["a file in its place", "no room"])
def test_without_a_cache(case: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It works, says once that nothing is kept, and leaves no files behind."""
    if case == "no room":
        monkeypatch.setenv("AZC_CACHE_LIMIT", "100")
    else:
        home.write_text("")
    wanted = [structure(number, layout)[0] for number in range(2) for layout in (LANES, ENTRIES)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = obtain(wanted)
    assert [warning.category for warning in caught] == [AzcWarning]
    assert "not kept" in str(caught[0].message)
    assert all(right(found[made], place // 2) for place, made in enumerate(wanted))
    assert all(found[made].built for made in wanted)
    assert all(found[made].module is None for made in wanted)
    # This process keeps what it has loaded.
    again = obtain(wanted)
    assert all(again[made].native is found[made].native for made in wanted)


def test_a_cache_that_runs_no_code(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the loader refuses there is run from where it was built; why is said once."""
    load = natives._import

    def refuse(name: str, path: Path) -> object:
        if home in path.parents:
            raise ImportError(f"{path}: failed to map segment from shared object")
        return load(name, path)

    monkeypatch.setattr(natives, "_import", refuse)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = obtain(structures(1))
        obtain(structures(1, 1))
    [warning] = told
    assert "built anew by every process" in str(warning.message)
    assert "set AZC_CACHE_DIR" in str(warning.message)
    assert right(found[structures(1)[0]], 0)
    monkeypatch.setattr(natives, "_import", lambda name, path: load(name, home / "none"))
    with pytest.raises(CompileError, match=r"can be loaded.*set TMPDIR to a folder"):
        obtain(structures(1, 2))


def test_no_files_are_left_in_the_temporary_folder(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    obtain(structures(1))
    assert list(temporary.iterdir()) == []
