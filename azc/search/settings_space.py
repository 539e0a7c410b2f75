"""``[space]``: the programs that a search may draw, and those that it starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from azc.errors import AzcError, expected, nearest
from azc.ops import OPS, Op, Type, by_name
from azc.program import FUNCTIONS, MAX_ADDRESS, Instruction, Program
from azc.search.settings_base import MisfitError, Table, fill
from azc.search.settings_file import load_program

__all__ = ["FunctionSettings", "SpaceSettings"]

#: Longer functions than these are beyond any search, and programs are copied whole.
MAX_SIZE = 10_000

Size = Annotated[int, Field(ge=0, le=MAX_SIZE)]
Names = Annotated[tuple[str, ...], Field(strict=False)]

_MEMORY = ("scalars", "vectors", "matrices")
_STARTS = ("random", "empty")


def _op_names(names: tuple[str, ...]) -> tuple[str, ...]:
    known = [op.name for op in OPS]
    used: list[str] = []
    for name in names:
        try:
            op = by_name(name)
        except KeyError:
            do = nearest(name, known) or "azc ops lists them"
            raise ValueError(expected("names of ops", repr(name), do)) from None
        if op.name in used:
            raise ValueError(expected("each op once", f"{name!r} again"))
        used.append(op.name)
    return tuple(used)


class FunctionSettings(Table):
    """One component function: how many instructions it has, and of which ops.

    `size` is None unless the size is fixed; `min`, `max` and `init` are always set. `ops` None is
    those of the space; without any the function stays as the start program has it.
    """

    size: Size | None = None
    min: Size = 0
    max: Size = 0
    init: Size = 0
    ops: Names | None = None

    @field_validator("ops")
    @classmethod
    def _known(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if names is None else _op_names(names)

    @model_validator(mode="after")
    def _sizes(self) -> FunctionSettings:
        given = self.model_fields_set & {"min", "max", "init"}
        if self.size is not None:
            wrong = [key for key in sorted(given) if getattr(self, key) != self.size]
            if wrong:
                what = "size alone, or min, max and init without it"
                raise MisfitError("size", expected(what, f"size and {' and '.join(wrong)}"))
            fill(self, min=self.size, max=self.size, init=self.size)
            return self
        if "max" not in given:
            got = " and ".join(sorted(given)) or "none of them"
            raise ValueError(expected("the key 'size', or 'min' and 'max'", got))
        if self.min > self.max:
            raise MisfitError("max", expected(f"min ({self.min}) or more", self.max))
        if "init" not in given:
            fill(self, init=self.min)
        if not self.min <= self.init <= self.max:
            raise MisfitError("init", expected(f"min to max ({self.min} to {self.max})", self.init))
        fill(self, size=self.min if self.min == self.max else None)
        return self


class SpaceSettings(Table):
    """Memory, ops and sizes, and where a population starts."""

    scalars: Annotated[int, Field(ge=2, le=MAX_ADDRESS + 1)]
    vectors: Annotated[int, Field(ge=1, le=MAX_ADDRESS + 1)]
    matrices: Annotated[int, Field(ge=0, le=MAX_ADDRESS + 1)]
    ops: Names | None = None
    setup: FunctionSettings
    predict: FunctionSettings
    learn: FunctionSettings
    start: str | tuple[str, ...] = "random"

    @field_validator("ops")
    @classmethod
    def _known(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if names is None else _op_names(names)

    @field_validator("start", mode="before")
    @classmethod
    def _start(cls, start: Any) -> Any:
        several = isinstance(start, (list, tuple))
        names = start if several else [start]
        if not names or not all(isinstance(name, str) for name in names):
            what = "'random', 'empty', the path of an .az file, or a list of such paths"
            raise ValueError(expected(what, repr(start)))
        return tuple(names) if several else start

    @model_validator(mode="after")
    def _fits(self) -> SpaceSettings:
        if self.ops is None and any(self.function(name).ops is None for name in FUNCTIONS):
            # Ops without memory to work on are left out of the default, but refused in a list.
            fill(self, ops=tuple(op.name for op in OPS if op.index and not self._lacks(op)))
        for name in FUNCTIONS:
            self._check_ops(name)
        if not any(self.searched(name) for name in FUNCTIONS):
            what = "a function with ops and a size above 0"
            raise MisfitError("ops", expected(what, "none", "there is nothing to search for"))
        try:
            self.start_programs()
        except AzcError as error:
            raise MisfitError("start", str(error)) from None
        return self

    def _check_ops(self, name: str) -> None:
        function = self.function(name)
        key = "ops" if function.ops is None else f"{name}.ops"
        ops = self.ops_of(name)
        if not ops and function.max > 0 and self.start in _STARTS:
            do = "give it some, or start from a program that has this function"
            raise MisfitError(key, expected(f"ops for {name}, of up to {function.max}", "none", do))
        for op in ops:
            if lack := self._lacks(op):
                what, count = lack
                do = "raise it, or take the op out"
                raise MisfitError(key, expected(f"{what} for {op.name!r}", count, do))

    def _lacks(self, op: Op) -> tuple[str, int] | None:
        """What memory `op` needs more of, and how much there is; s0 and v0 are never written."""
        for (kind, count), key in zip(self.limits.items(), _MEMORY, strict=True):
            written = 2 if kind is not Type.MATRIX else 1
            need = written if op.output is kind else int(kind in op.inputs)
            if count < need:
                return f"space.{key} at least {need}", count
        return None

    @property
    def limits(self) -> dict[Type, int]:
        """The number of addresses of each type."""
        return {kind: getattr(self, key) for kind, key in zip(Type, _MEMORY, strict=True)}

    def function(self, name: str) -> FunctionSettings:
        """The settings of ``"setup"``, ``"predict"`` or ``"learn"``."""
        function: FunctionSettings = getattr(self, name)
        return function

    def ops_of(self, name: str) -> tuple[Op, ...]:
        """The ops that are drawn for a function, in the order of their list."""
        names = self.function(name).ops
        return tuple(map(by_name, (self.ops or ()) if names is None else names))

    def searched(self, name: str) -> bool:
        """Whether anything in a function may be drawn or mutated."""
        return bool(self.ops_of(name)) and self.function(name).max > 0

    def varies(self, name: str) -> bool:
        """Whether mutations may change a function's size."""
        function = self.function(name)
        return self.searched(name) and function.min < function.max

    def start_programs(self) -> list[Program]:
        """The programs to start from, which fit the space; none for ``random`` and ``empty``.

        Raises `AzcError`.
        """
        if self.start in _STARTS:
            return []
        names: Sequence[str] = (self.start,) if isinstance(self.start, str) else self.start
        return [self._load(name) for name in names]

    def _load(self, name: str) -> Program:
        others = _STARTS if isinstance(self.start, str) else ()
        program = load_program(name, self.limits, others)
        filled = []
        for function, body in program.functions():
            sizes = self.function(function)
            if len(body) > sizes.max:
                span = f"{sizes.min}" if sizes.size is not None else f"{sizes.min} to {sizes.max}"
                what = f"{span} instructions in {function} of {program.filename}"
                raise AzcError(expected(what, len(body), "allow more in the space"))
            # At the end they change nothing, not even what is drawn at random before them. What a
            # search keeps has no instructions that do nothing, so it lacks some.
            fill_up = (Instruction(OPS[0]),) * (sizes.min - len(body))
            filled.append(body + fill_up)
        setup, predict, learn = filled
        return replace(program, setup=setup, predict=predict, learn=learn)
