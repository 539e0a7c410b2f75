"""What every target is written from: a program's live statements, and which values matter where."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePath

from azc.analysis import Needed, interface_addresses, live, needed, predicts_vector
from azc.compiler.fusion import Statement, statements, uses
from azc.errors import ConfigError, expected
from azc.ops import ConstantKind
from azc.program import Address, Program

__all__ = ["Subject", "loaded", "ordered", "places_of", "subject_of", "values_of"]


@dataclass(frozen=True)
class Subject:
    """A program to be exported, for tasks of so many `classes`: 0 for regression, 3 also where a
    target finds their number out later."""

    program: Program
    live: Program
    classes: int

    @property
    def many(self) -> bool:
        """Whether it predicts a vector."""
        return self.classes > 2

    @property
    def title(self) -> str:
        """The program's name."""
        stem = PurePath(self.program.filename).stem
        return stem if stem.isprintable() and not stem.startswith("<") else "program"

    @cached_property
    def interface(self) -> tuple[Address, Address, Address]:
        """Features, label and prediction."""
        return interface_addresses(self.classes)

    @cached_property
    def needed(self) -> Needed:
        return needed(self.live, self.classes)

    @cached_property
    def setup(self) -> list[Statement]:
        """What Setup does for all that comes after it."""
        return self._without_dead(self._bodies[0], self.needed.between)

    @cached_property
    def predict(self) -> list[Statement]:
        """Predict, as it runs where nothing is learned."""
        return self._without_dead(self._bodies[1], self.after_predict)

    @cached_property
    def predict_to_learn(self) -> list[Statement]:
        """Predict, as it runs before Learn."""
        return self._without_dead(self._bodies[1], self.before_learn)

    @cached_property
    def predict_alone(self) -> list[Statement]:
        """Predict, for a model that stays as it is: what it leaves matters to itself alone."""
        return self._without_dead(self._bodies[1], self.after_alone)

    @cached_property
    def after_alone(self) -> set[Address]:
        """What leaves Predict then."""
        after = {self.interface[2]}
        while True:
            body = self._without_dead(self._bodies[1], after)
            wider = after | loaded(body)
            if wider == after:
                return after
            after = wider

    @property
    def listing(self) -> str:
        """The live instructions, as azc writes them."""
        return str(replace(self.live, doc=""))

    @cached_property
    def predict_for_both(self) -> list[Statement]:
        """Predict, as it runs where the same text serves both."""
        return self._without_dead(self._bodies[1], self.after_predict | self.before_learn)

    @cached_property
    def learn(self) -> list[Statement]:
        return self._without_dead(self._bodies[2], self.needed.between)

    @property
    def after_predict(self) -> set[Address]:
        """What leaves Predict where nothing is learned."""
        return {*self.needed.between, self.interface[2]}

    @property
    def before_learn(self) -> set[Address]:
        """What leaves Predict where Learn comes next."""
        return {*self.needed.after_predict, self.interface[2]}

    @cached_property
    def draws(self) -> bool:
        """Whether it draws random numbers."""
        return any(i.op.random for i in self.live.instructions())

    @cached_property
    def most_coordinate(self) -> int:
        """The largest coordinate that the program names; -1 if it names none."""
        return max((place for s in self._all for place in places_of(s) if isinstance(place, int)),
                   default=-1)  # fmt: skip

    @cached_property
    def addresses(self) -> list[Address]:
        """All that live statements use, and the interface."""
        used = {a for s in self._all for a in (*s.reads, s.writes)}
        return ordered(used | set(self.interface))

    @cached_property
    def _bodies(self) -> list[list[Statement]]:
        return statements(body for _, body in self.live.functions())

    @property
    def _all(self) -> list[Statement]:
        return [statement for body in self._bodies for statement in body]

    @staticmethod
    def _without_dead(body: list[Statement], after: Collection[Address]) -> list[Statement]:
        while True:
            kept = [
                statement
                for statement, use in zip(body, uses(body, after), strict=True)
                if use.leaves or use.positions
            ]
            if len(kept) == len(body):
                return kept
            body = kept


def subject_of(program: Program, classes: int | None = None) -> Subject:
    """The program for tasks of `classes`, by default as it is written."""
    if classes is None:
        classes = 3 if predicts_vector(program) else 0
    alive = live(program, classes)
    prediction = interface_addresses(classes)[2]
    if not any(i.output == prediction for i in alive.instructions()):
        got = f"a program that never writes {prediction}"
        raise ConfigError(expected("a program that predicts something", got, "change --classes"))
    return Subject(program, alive, classes)


def ordered(addresses: Collection[Address]) -> list[Address]:
    """Scalars, vectors, matrices, by number."""
    return sorted(addresses, key=lambda address: (address.type.rank, address.number))


def loaded(body: Iterable[Statement]) -> set[Address]:
    """What a body reads before it writes it."""
    written: set[Address] = set()
    first_read: set[Address] = set()
    for statement in body:
        first_read |= statement.reads - written
        written.add(statement.writes)
    return first_read


def values_of(statement: Statement) -> list[float]:
    """The constants of an instruction that are numbers."""
    return _constants(statement, index=False)


def places_of(statement: Statement) -> list[float]:
    """The constants of an instruction that name entries: fractions, or coordinates as int."""
    return [
        int(value) if isinstance(value, int) else float(value)
        for value in _constants(statement, index=True)
    ]


def _constants(statement: Statement, *, index: bool) -> list[float]:
    instruction = statement.instruction
    kinds = zip(instruction.op.constants, instruction.constants, strict=True)
    return [value for kind, value in kinds if (kind is ConstantKind.INDEX) == index]
