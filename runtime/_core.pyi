"""Types of the compiled module; what its parts do is said in `_core.pyx`."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]

OP_COUNT: int
TABLE_VERSION: int
NATIVE_VERSION: int
LANES: tuple[int, ...]

def apply(name: str, values: _Array) -> None: ...
def levels() -> list[str]: ...
def level() -> str: ...
def use_level(name: str) -> None: ...
def analyse(
    code: Code, classes: int
) -> tuple[tuple[list[bool], list[bool], list[bool]], bool, bool, bool]: ...
def kernels_used(code: Code, classes: int) -> list[int]: ...

class Code:
    def __init__(self, packed: tuple[bytes, bytes, bytes]) -> None: ...

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
        batch: Batch,
        epochs: int,
        keep_dead: bool = False,
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
        progress: Callable[[int], None] | None = None,
    ) -> int: ...
