"""The experiments of Real et al., "AutoML-Zero: Evolving Machine Learning Algorithms From Scratch"
(ICML 2020), each as one command, scaled to the hours that there are.

    plan.py          what an experiment consists of: arms, seeds, seconds for each
    record.py        every trial that has ended, on disk
    running.py       from the plan to the findings, however often it is interrupted
    experiment.py    what an experiment is; figure4.py … figure8.py and final.py are those there are
    statistics.py    intervals and tests
    tables.py        findings as tables, Markdown and CSV
    drawing.py       findings as a picture
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from azc.errors import ConfigError, expected, nearest

if TYPE_CHECKING:
    from azc.paper.experiment import Experiment

__all__ = ["NAMES", "find"]

#: The experiments, by the figure of the paper that shows them.
NAMES = ("figure4", "figure5", "figure6", "figure7", "figure8", "final")


def find(name: str) -> Experiment:
    """The experiment of that name; raises `ConfigError` for a name that is none."""
    if name not in NAMES:
        do = nearest(name, NAMES) or f"the experiments are {', '.join(NAMES)}"
        raise ConfigError(expected("the name of an experiment", repr(name), do))
    experiment: Experiment = importlib.import_module(f"azc.paper.{name}").EXPERIMENT
    return experiment
