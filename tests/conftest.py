"""What all tests share: how much to do."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from counts import FULL
from hypothesis import HealthCheck, settings

settings.register_profile(
    "azc",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=2000 if FULL else 40,
    derandomize=not FULL,
)
settings.load_profile("azc")


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> Iterator[None]:
    """What is started in the background of a script ignores Ctrl-C, and so does all that it starts;
    tests send it, and see what it does."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def common_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes that run tests have in common."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session", autouse=True)
def _own_cache(common_folder: Path) -> Iterator[None]:
    """Compiled programs of tests are kept where the user's are not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZC_CACHE_DIR", str(common_folder / "cache"))
        yield


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether the full counts are asked for."""
    return FULL
