"""File systems that lack what searches would rather have: locks, and memory that is shared."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from saved_runs import SEED, SETTINGS, check_read, content, process, said

from azc.errors import StateError
from azc.search import locking as module
from azc.search.store import Store

COMPILER = shutil.which("gcc") or shutil.which("cc")
#: What the calls that lack fail with: no flock, no mapping of files to be shared and written.
LACKS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
typedef void *map(void *, size_t, int, int, int, off_t);
static int lacks(const char *what) { return getenv(what) && (errno = atoi(getenv(what))); }
int flock(int file, int how)
{
    if (lacks("NO_FLOCK"))
        return -1;
    return ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(file, how);
}
void *mmap(void *at, size_t size, int can, int how, int file, off_t from)
{
    if (file >= 0 && (how & MAP_SHARED) && (can & PROT_WRITE) && lacks("NO_MAP"))
        return MAP_FAILED;
    return ((map *)dlsym(RTLD_NEXT, "mmap"))(at, size, can, how, file, from);
}
void *mmap64(void *at, size_t size, int can, int how, int file, off_t from)
{
    return mmap(at, size, can, how, file, from);
}
"""
#: Saves twice, reads in between, goes on; another does not get in.
USES = """
import sys
from pathlib import Path
from saved_runs import *
from azc.errors import StateError
folder = Path(sys.argv[1])
with Store.create(folder, SETTINGS, seed=SEED) as store:
    store.save(**content(1))
    check(store, 1)
    try:
        Store.open(folder)
    except StateError as error:
        assert "wait until it has ended" in str(error)
    else:
        raise AssertionError("two at once")
    store.save(**content(2))
with Store.open(folder) as store:
    check(store, 2)
    store.save(**content(3))
print("done")
"""


@pytest.fixture(scope="module")
def lacking(tmp_path_factory) -> Path:
    """A library that takes calls away from a process."""
    if COMPILER is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("lacking")
    (folder / "lacks.c").write_text(LACKS)
    library = folder / "lacks.so"
    command = [COMPILER, "-shared", "-fPIC", "-o", library, folder / "lacks.c", "-ldl"]
    subprocess.run(command, check=True)
    return library


@pytest.mark.parametrize(
    "lacks",
    [
        {"NO_FLOCK": errno.ENOSYS}, {"NO_MAP": errno.ENODEV},
        {"NO_FLOCK": errno.EOPNOTSUPP, "NO_MAP": errno.EINVAL}, {"NO_FLOCK": errno.ENOLCK},
    ],
    ids=str,
)  # fmt: skip
def test_what_a_file_system_lacks(folder, lacking, lacks):
    environment = {name: str(value) for name, value in lacks.items()}
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", USES, folder],
        env={**os.environ, **environment, "LD_PRELOAD": str(lacking), "PYTHONPATH": tests},
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("done\n", "")
    check_read(folder, 3)
    # And anywhere else it goes on as it does there.
    with Store.open(folder) as store:
        store.save(**content(4))
    assert sorted(os.listdir(folder)) == [
        *("best.az", "hall_of_fame", "lock", "run.sqlite", "search.toml")
    ]  # fmt: skip


def no_flock(monkeypatch, number: int) -> None:
    def fail(handle: int, how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module.fcntl, "flock", fail)


def test_record_locks_keep_others_out(folder, monkeypatch):
    with Store.create(folder, SETTINGS, seed=SEED) as store:
        store.save(**content(1))
    with process("hold_records", folder) as child:
        assert said(child) == "held"
        no_flock(monkeypatch, errno.ENOLCK)
        with pytest.raises(StateError, match=f"got process {child.pid}, which does; wait"):
            Store.open(folder)
        child.kill()
        child.wait()
        Store.open(folder).close()


def test_no_locks_at_all(folder, monkeypatch):
    no_flock(monkeypatch, errno.ENOSYS)
    monkeypatch.setattr(module.fcntl, "lockf", module.fcntl.flock)
    with pytest.raises(StateError, match="expected a file system that can lock files, got Func"):
        Store.create(folder, SETTINGS, seed=SEED)
