"""azc: write, train and search for machine-learning algorithms made of 65 mathematical ops.

    program = azc.load("linear.az")
    tasks = azc.tasks.make_set("linear", features=8, count=8)
    result = azc.evaluate(program, tasks)
    result.fitness        # (8,) float64

An algorithm is a program of three functions, Setup, Predict and Learn, on a typed memory of
scalars, vectors and matrices (Real et al., "AutoML-Zero: Evolving Machine Learning Algorithms
From Scratch", ICML 2020).
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from azc.version import VERSION as __version__

if TYPE_CHECKING:
    from azc import library, tasks
    from azc.compiling import compile
    from azc.errors import (
        AzcError,
        AzcWarning,
        CompileError,
        ConfigError,
        ParseError,
        ResourceError,
        StateError,
        TaskError,
    )
    from azc.evaluation import Result, evaluate
    from azc.lang import load, parse
    from azc.model import Model
    from azc.program import Instruction, Program
    from azc.search import Search
    from azc.tasks import Task, TaskSet
    from azc.training import train
    from azc.use.compare import Comparison, compare
    from azc.use.explain import Explanation, explain
    from azc.use.export import export
    from azc.use.motifs import Motifs, motifs
    from azc.use.simplify import simplify
    from azc.use.tune import Tuned, tune

# Where each public name lives. They are imported on first use, so that `import azc` and the
# command line start in milliseconds.
_HOME = {
    "AzcError": "azc.errors",
    "AzcWarning": "azc.errors",
    "Comparison": "azc.use.compare",
    "CompileError": "azc.errors",
    "ConfigError": "azc.errors",
    "Explanation": "azc.use.explain",
    "Instruction": "azc.program",
    "Model": "azc.model",
    "Motifs": "azc.use.motifs",
    "ParseError": "azc.errors",
    "Program": "azc.program",
    "ResourceError": "azc.errors",
    "Result": "azc.evaluation",
    "Search": "azc.search",
    "StateError": "azc.errors",
    "Task": "azc.tasks",
    "TaskError": "azc.errors",
    "TaskSet": "azc.tasks",
    "Tuned": "azc.use.tune",
    "compare": "azc.use.compare",
    "compile": "azc.compiling",
    "evaluate": "azc.evaluation",
    "explain": "azc.use.explain",
    "export": "azc.use.export",
    "load": "azc.lang",
    "motifs": "azc.use.motifs",
    "parse": "azc.lang",
    "simplify": "azc.use.simplify",
    "train": "azc.training",
    "tune": "azc.use.tune",
}

__all__ = [
    "AzcError",
    "AzcWarning",
    "Comparison",
    "CompileError",
    "ConfigError",
    "Explanation",
    "Instruction",
    "Model",
    "Motifs",
    "ParseError",
    "Program",
    "ResourceError",
    "Result",
    "Search",
    "StateError",
    "Task",
    "TaskError",
    "TaskSet",
    "Tuned",
    "__version__",
    "compare",
    "compile",
    "evaluate",
    "explain",
    "export",
    "library",
    "load",
    "motifs",
    "parse",
    "simplify",
    "tasks",
    "train",
    "tune",
]


def _check_built() -> None:
    """Raise `ImportError` in sources without the runtime. Not at import: the build reads
    `azc.ops` before there is one."""
    if importlib.util.find_spec("azc.runtime") is None:
        # Python looks in the current folder first.
        raise ImportError(
            f"expected azc with its runtime, got sources that are not built ({__path__[0]}); "
            "work in another folder, or build them: pip install -e ."
        )


def __getattr__(name: str) -> Any:
    is_module = name in ("library", "tasks")
    if not is_module and name not in _HOME:
        raise AttributeError(f"module 'azc' has no attribute {name!r}")
    _check_built()
    if is_module:
        return importlib.import_module(f"azc.{name}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
