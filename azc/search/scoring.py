"""Model selection: programs scored on tasks that the search has not seen."""

from __future__ import annotations

from dataclasses import dataclass, field

import azc.evaluation
from azc.analysis import canonical_hash
from azc.program import Program
from azc.search.settings import Settings
from azc.search.settings_tasks import Which
from azc.tasks import Task

__all__ = ["Scorer"]


@dataclass
class Scorer:
    """Scores programs on one set of tasks, as the search itself does on its own. The tier is chosen
    as everywhere; without hot compiling it is the interpreter."""

    settings: Settings
    which: Which
    made: list[Task] | None  # None: made when first needed
    _known: dict[str, float] = field(default_factory=dict)

    @property
    def tasks(self) -> list[Task]:
        if self.made is None:
            self.made = self.settings.make_tasks(self.which)
        return self.made

    def __call__(self, program: Program) -> float:
        # Not `program.hash`, which takes the prediction's type from the program and not the tasks.
        key = canonical_hash(program, self.tasks[0].classes)
        if key not in self._known:
            self._known[key] = self._score(program)
        return self._known[key]

    def _score(self, program: Program) -> float:
        evaluation = self.settings.evaluation
        result = azc.evaluation.run(
            program,
            self.tasks,
            {
                "epochs": evaluation.epochs,
                "seed": evaluation.seed,
                "max_abs_error": evaluation.max_abs_error,
            },
            tier="interpreter" if self.settings.compile.hot is False else "auto",
        )
        return result.median if self.settings.search.aggregate == "median" else result.mean
