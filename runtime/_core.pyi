"""Types of the compiled module; what its parts do is said in `_core.pyx`."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]
_Packed = tuple[bytes, bytes, bytes]
_Addresses = list[tuple[int, int]]

OP_COUNT: int
TABLE_VERSION: int
NATIVE_VERSION: int
LANES: tuple[int, ...]

def apply(name: str, values: _Array) -> None: ...

class Environment:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...

def levels() -> list[str]: ...
def level() -> str: ...
def use_level(name: str) -> None: ...
def analyse(
    code: Code, classes: int
) -> tuple[tuple[list[bool], list[bool], list[bool]], bool, bool, bool]: ...
def suggested_classes(code: Code) -> int: ...
def needed(code: Code, classes: int) -> tuple[_Addresses, _Addresses, _Addresses]: ...
def kernels_used(code: Code, classes: int) -> list[int]: ...

class Code:
    def __init__(self, packed: tuple[bytes, bytes, bytes]) -> None: ...

def pack(arrays: list[_Array], chunk: int, to: _Array) -> None: ...

class Batch:
    def __init__(
        self,
        x_train: _Array,
        y_train: _Array,
        x_valid: _Array,
        y_valid: _Array,
        keys: Sequence[int],
        active: int,
        classes: int,
    ) -> None: ...
    @property
    def lanes(self) -> int: ...

class Native:
    def __init__(self, capsule: object, index: int) -> None: ...
    @property
    def lanes(self) -> int: ...
    @property
    def features(self) -> int: ...

class Machine:
    def __init__(self) -> None: ...
    def bytes_needed(
        self,
        code: Code,
        *,
        features: int,
        classes: int,
        lanes: int,
        train: int,
        valid: int,
        epochs: int,
        keep_dead: bool = False,
        remember: bool = False,
        native: Native | None = None,
    ) -> int: ...
    def run(
        self,
        code: Code,
        batch: Batch,
        fitness: _Array,
        value: _Array,
        predictions: _Array | None = None,
        *,
        epochs: int = 1,
        max_abs_error: float = 100.0,
        seed: int = 0,
        block: int = 0,
        keep_dead: bool = False,
        native: Native | None = None,
        constants: _Array | None = None,
        places: NDArray[np.int64] | None = None,
        trained: Callable[[], bool] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> int: ...
    @property
    def held(self) -> int: ...
    def close(self) -> None: ...
    def died(self, lane: int) -> bool: ...
    def trained(self, lane: int) -> int: ...
    def open(
        self,
        code: Code,
        batch: Batch,
        seed: int,
        max_abs_error: float,
        *,
        native: Native | None = None,
        constants: _Array | None = None,
        places: NDArray[np.int64] | None = None,
    ) -> None: ...
    def cell(
        self,
        type: int,
        number: int,
        lane: int,
        values: _Array,
        *,
        write: bool = False,
        offset: int | None = None,
    ) -> bool: ...
    def predict(self, step: int, to: _Array) -> None: ...
    def learn(self, step: int) -> int: ...

HASH_LEAST: int

HASH_OF_PACKAGE: bool

def hash128(data: bytes, own: bool = False) -> int: ...

class Canonical:
    def __init__(self, code: Code, classes: int) -> None: ...
    @property
    def classes(self) -> int: ...
    @property
    def packed(self) -> _Packed: ...
    @property
    def hash(self) -> int: ...
    @property
    def structure_hash(self) -> int: ...
    @property
    def bare(self) -> _Packed: ...
    @property
    def depends(self) -> bool: ...
    @property
    def names(self) -> dict[tuple[int, int], tuple[int, int]]: ...
    def arguments(self, features: int) -> tuple[list[float], list[int]]: ...

class MethodInfo(NamedTuple):
    name: str
    least: int
    most: int
    families: bool
    staged: bool

class MutationInfo(NamedTuple):
    name: str
    resizes: bool

METHODS: tuple[MethodInfo, ...]
MUTATIONS: tuple[MutationInfo, ...]
ORIGINS: tuple[str, ...]

def island_bytes(space: Space, settings: dict[str, Any]) -> int: ...

class Space:
    def __init__(
        self,
        addresses: Sequence[int],
        ops: Sequence[Sequence[int]],
        least: Sequence[int],
        most: Sequence[int],
        first: Sequence[int],
        mutations: Sequence[int],
        *,
        classes: int = 0,
        repeat: float = 0.0,
        decades: float = 0.0,
        near_one: float = 0.0,
    ) -> None: ...
    @property
    def capacity(self) -> int: ...
    def random(self, seed: int, candidate: int) -> _Packed: ...
    def walk(
        self,
        packed: _Packed,
        seed: int,
        candidate: int,
        filter: int,
        sizes: Sequence[int],
        least: int,
        most: int,
    ) -> _Packed: ...
    def passing(
        self, seed: int, candidate: int, filter: int, tries: int, held: _Packed | None = None
    ) -> tuple[_Packed, int] | None: ...
    def mutate(self, packed: _Packed, seed: int, candidate: int) -> tuple[int, _Packed]: ...

class Island:
    def __init__(
        self,
        space: Space,
        settings: dict[str, Any],
        interpreted: Sequence[tuple[Batch, int, Sequence[int]]],
        compiled: Sequence[tuple[Batch, int, Sequence[int]]],
        seeds: list[_Packed],
    ) -> None: ...
    def run(self, until: int, seconds: float) -> int: ...
    def evaluate(self, programs: list[_Packed], per_task: _Array | None = None) -> list[float]: ...
    def restart(self) -> None: ...
    def counts(self) -> dict[str, Any]: ...
    def steps_run(self) -> tuple[int, int]: ...
    @property
    def members(self) -> int: ...
    def member(self, position: int) -> tuple[_Packed, float, int]: ...
    def per_task(self, position: int) -> list[float]: ...
    def best(self) -> tuple[_Packed, float, int] | None: ...
    def ancestors(self) -> list[tuple[int, int, float, _Packed]]: ...
    def emigrants(self, positions: NDArray[np.int64]) -> tuple[bytes, bytes]: ...
    def receive(self, positions: NDArray[np.int64], heads: bytes, code: bytes) -> None: ...
    def save(self) -> bytes: ...
    def load(self, snapshot: bytes) -> None: ...
    def hottest(self, count: int) -> list[tuple[int, int, int, _Packed]]: ...
    def use_native(self, key: int, natives: list[Native]) -> bool: ...
    def cool(self) -> None: ...
    def time_stages(self) -> None: ...
    def stages(self) -> dict[str, float]: ...
