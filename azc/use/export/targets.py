"""What programs can be exported to: one table."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from azc.checks import whole_number
from azc.errors import ConfigError, expected, nearest
from azc.program import Program, require_program

if TYPE_CHECKING:
    from azc.ops import Op

__all__ = ["TARGETS", "Target", "export"]


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of text: the `module` that writes it, how its files end, and whether it holds the
    number of classes."""

    module: str
    ending: str
    fixed_classes: bool = False

    def write(self, program: Program, classes: int | None) -> str:
        from azc.use.export.subject import subject_of

        text: str = self._home.write(subject_of(program, classes))
        return text

    def covers(self, op: Op) -> bool:
        """Whether instructions of that op can be written."""
        return bool(self._home.covers(op))

    @property
    def _home(self) -> ModuleType:
        return importlib.import_module(f"azc.use.export.{self.module}")


TARGETS: dict[str, Target] = {
    "numpy": Target("numpy", ".py"),
    "c": Target("c", ".c", fixed_classes=True),
    "cython": Target("cython", ".pyx", fixed_classes=True),
    "sklearn": Target("sklearn", ".py"),
    "latex": Target("latex", ".tex"),
    "markdown": Target("markdown", ".md"),
}


def export(program: Program, to: str, *, classes: int | None = None) -> str:
    """The text of a file that trains and applies `program` without azc, for the target `to`:
    ``"numpy"``, ``"c"`` and so on (`TARGETS`).

    `classes` is as in a task: 0 for regression, 2 for two classes, or their number. By default it
    follows from the program, which predicts a number or a vector; ``"c"`` must be told how many
    classes a vector is for.
    """
    from azc.analysis import predicts_vector

    require_program(program)
    if to not in TARGETS:
        raise ConfigError(expected(f"one of {', '.join(TARGETS)}", repr(to), nearest(to, TARGETS)))
    target = TARGETS[to]
    if classes is not None:
        classes = whole_number("classes", classes, 0, 4096)
        if classes == 1:
            raise ConfigError(expected("classes 0, or 2 and more", "1"))
    elif target.fixed_classes and predicts_vector(program):
        raise ConfigError(
            expected("the number of classes", "none", "say it with classes=… (--classes)")
        )
    return target.write(program, classes)
