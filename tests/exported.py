"""Exported models, loaded and held against azc."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from programs import RuntimeMath, bits, interpret, random_program, random_task

from azc.errors import AzcError
from azc.program import Program
from azc.use.export.subject import Subject, subject_of

__all__ = [
    "FLAGS",
    "CModel",
    "Case",
    "agrees",
    "azc_numbers",
    "compile_c",
    "load_module",
    "random_case",
]

FLAGS = ("-std=c99", "-O1", "-Wall", "-Wextra", "-Werror")
_POINTER = ctypes.c_void_p


def load_module(text: str, name: str = "exported") -> ModuleType:
    module = ModuleType(name)
    exec(compile(text, f"<{name}>", "exec"), module.__dict__)
    return module


def azc_numbers(module: ModuleType) -> ModuleType:
    """The module with azc's exp, log and so on, so that all of its numbers must be azc's."""
    module.__dict__["np"] = RuntimeMath()
    return module


class Case:
    """A random program and task; `outcome` is what the interpreter makes of them."""

    def __init__(self, program: Program, task: Any, seed: int) -> None:
        self.program, self.task, self.seed = program, task, seed
        self.outcome = interpret(program, [task], lanes=1, seed=seed)

    @property
    def failed(self) -> bool:
        """Whether no validation was reached."""
        return bool(np.isnan(self.outcome.predictions[0]).all() and self.outcome.fitness[0] == 0)

    def agrees(self, predictions: np.ndarray) -> bool:
        """Whether these are azc's, to the bit, as far as azc predicts: in regression a validation
        ends at an error above the limit."""
        wanted = self.outcome.predictions[0]
        if not self.task.classes:
            beyond = ~(np.abs(self.task.y_valid - predictions) <= 100)
            if beyond.any():
                end = int(np.argmax(beyond))
                wanted, predictions = wanted[:end], predictions[:end]
        return bits(wanted) == bits(predictions)


def random_case(seed: int, most: int = 12) -> tuple[Case, Subject] | None:
    """None where the program predicts nothing."""
    rng = np.random.default_rng(seed)
    classes, features = int(rng.choice([0, 0, 2, 3, 5])), int(rng.choice([5, 8, 11, 16, 19]))
    program = random_program(rng, most=most)
    special = 0.02 if seed % 3 == 0 else 0.0
    task = random_task(rng, features, classes=classes, special=special)
    task.key = 0  # what an exported model draws under
    try:
        subject = subject_of(program, classes)
    except AzcError:
        return None
    return Case(program, task, seed), subject


def compile_c(text: str, folder: Path, name: str, *flags: str) -> ctypes.CDLL:
    source, library = folder / f"{name}.c", folder / f"{name}.so"
    source.write_text(text, "utf-8")
    command = ["gcc", *(flags or FLAGS), "-shared", "-fPIC", "-o", str(library), str(source), "-lm"]
    subprocess.run(command, check=True)
    loaded = ctypes.CDLL(str(library))
    source.unlink()
    library.unlink()
    return loaded


class CModel:
    """A model in exported C."""

    def __init__(self, library: ctypes.CDLL, features: int, seed: int) -> None:
        self.library, self.features = library, features
        library.azc_model_new.restype = _POINTER
        library.azc_model_new.argtypes = [ctypes.c_size_t, ctypes.c_uint64]
        library.azc_model_fit.restype = ctypes.c_size_t
        library.azc_model_fit.argtypes = [_POINTER, _POINTER, _POINTER, ctypes.c_size_t]
        library.azc_model_learn.argtypes = [_POINTER, _POINTER, ctypes.c_double]
        library.azc_model_predict.argtypes = [_POINTER, _POINTER, _POINTER]
        library.azc_model_predict_all.argtypes = [_POINTER, _POINTER, ctypes.c_size_t, _POINTER]
        library.azc_model_free.argtypes = [_POINTER]
        self.model = library.azc_model_new(features, seed)

    def __enter__(self) -> CModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.library.azc_model_free(self.model)

    def learn(self, x: np.ndarray, y: float) -> bool:
        x = np.ascontiguousarray(x)
        return bool(self.library.azc_model_learn(self.model, x.ctypes.data, y))

    def fit(self, X: np.ndarray, y: np.ndarray) -> int:
        """How many examples were learned."""
        X, y = np.ascontiguousarray(X), np.ascontiguousarray(y, dtype=np.float64)
        return int(self.library.azc_model_fit(self.model, X.ctypes.data, y.ctypes.data, len(X)))

    def predict(self, X: np.ndarray, classes: int = 0) -> np.ndarray:
        X = np.ascontiguousarray(X)
        predicted = np.full((len(X), classes) if classes > 2 else len(X), np.nan)
        self.library.azc_model_predict_all(self.model, X.ctypes.data, len(X), predicted.ctypes.data)
        return predicted


def agrees(case: Case, model: Any, *classes: int) -> bool:
    """Whether a model, untrained, does on the case's task what azc does."""
    for x, y in zip(case.task.X_train, case.task.y_train, strict=True):
        if not model.learn(x, y):
            return case.failed
    first, again = (model.predict(case.task.X_valid, *classes) for _ in range(2))
    return case.agrees(first) and bits(first) == bits(again)
