"""Trained models: the memory that training leaves, what it predicts, and how it goes on."""

from __future__ import annotations

import errno
import io
import json
import os
import zipfile
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from azc.checks import positive_number, whole_number
from azc.errors import (
    AzcError,
    ConfigError,
    ParseError,
    ResourceError,
    TaskError,
    expected,
    nearest,
)
from azc.files import write_file
from azc.lang import parse
from azc.machines import compiled_alone, machine_of_thread, read_memory, write_memory
from azc.model_files import check_sizes, described, preparation_in
from azc.prepared import check_coordinates, code_of, state_of
from azc.program import Address, Program, verify
from azc.result import last_largest
from azc.runtime import _core
from azc.tasks import Preparation

__all__ = ["Array", "Model", "TrainingError", "stopped"]

Array = npt.NDArray[np.float64]

_VERSION = 1
#: What a file system says that has no room for a file.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MODEL_TIERS = ("auto", "interpreter", "compiled")


class TrainingError(AzcError):
    """An error was NaN or above the limit, so that there is no trained model."""


class Model:
    """A program with the memory that training left.

    `memory` maps the addresses that carry a value from one example to the next, such as ``"v1"``,
    to float64 arrays: () for s, (F,) for v, (F, F) for m. `step` is the number of the next step,
    under which random instructions draw.
    """

    def __init__(
        self,
        program: Program,
        *,
        features: int,
        classes: int,
        metric: str,
        key: int,
        seed: int,
        max_abs_error: float,
        step: int,
        memory: Mapping[str, Array],
        preparation: Preparation | None = None,
    ) -> None:
        self.program, self.features, self.classes, self.metric = program, features, classes, metric
        self.key, self.seed, self.max_abs_error, self.step = key, seed, max_abs_error, step
        self.preparation = preparation
        names = map(str, state_of(program, classes))
        self._memory = {name: np.array(memory[name]) for name in names}

    @property
    def memory(self) -> Mapping[str, Array]:
        """Copies of what stands in memory."""
        return MappingProxyType({name: value.copy() for name, value in self._memory.items()})

    def predict(self, X: npt.ArrayLike, *, tier: str = "auto") -> Array:
        """Raw predictions (n,), or (n, C) for more than two classes, of features (n, F): what
        stands in s1 (v2), before any sigmoid or softmax. No limit on errors applies.

        The examples are taken in order, from the model's memory and step on, as a validation after
        its training would take them; the model itself stays as it is. So where Predict keeps
        something from one example to the next, or draws random numbers, a prediction depends on
        its position in X. `tier`: ``"compiled"``, or the interpreter; the bits are the same.
        """
        rows = self._rows(X)
        width = self.classes if self.classes > 2 else 1
        predicted = np.empty((len(rows), width, 1))
        if len(rows):
            with machine_of_thread() as machine:
                self._open(machine, rows, np.zeros(len(rows)), tier)
                machine.predict(self.step, predicted)
        return predicted[..., 0] if width > 1 else predicted[:, 0, 0]

    def classes_of(self, raw: Array) -> npt.NDArray[np.intp]:
        """The classes (n,) that raw predictions stand for."""
        if self.classes > 2:
            return np.array([last_largest(row) for row in raw], dtype=np.intp)
        with _core.Environment(), np.errstate(all="ignore"):
            odds = -raw
            _core.apply("exp", odds)
            return (1.0 / (1.0 + odds) > 0.5).astype(np.intp)

    def score(self, X: npt.ArrayLike, y: npt.ArrayLike) -> tuple[float, float]:
        """(fitness, metric) of the predictions for X, as a validation on these examples has them:
        accuracy; or RMSE, inf with fitness 0 where an error is NaN or above `max_abs_error`."""
        predicted, labels = self.predict(X), np.ascontiguousarray(y, dtype=np.float64)
        if labels.shape != (len(predicted),) or not len(predicted):
            raise TaskError(expected("a label for each of some examples", f"shape {labels.shape}"))
        with _core.Environment(), np.errstate(all="ignore"):
            if self.classes:
                share = float((self.classes_of(predicted) == labels).mean())
                return share, share
            errors = labels - predicted
            if not (np.abs(errors) <= self.max_abs_error).all():
                return 0.0, float("inf")
            # Added one by one, as the runtime adds them.
            rmse = float(np.sqrt(np.cumsum(errors * errors)[-1] / len(errors)))
            angle = np.array([rmse])
            _core.apply("arctan", angle)
            fitness = 1.0 - 0.63661977236758134308 * float(angle[0]) if rmse < np.inf else 0.0
            return fitness, rmse

    def partial_fit(self, X: npt.ArrayLike, y: npt.ArrayLike, *, tier: str = "auto") -> Model:
        """Train on further examples, one after the other, from where the model stands.

        Raises `AzcError` where an error is NaN or above `max_abs_error`; the model then stays as
        it was, as it does where it is interrupted. `tier` as in `predict`.
        """
        rows = self._rows(X)
        labels = np.ascontiguousarray(y, dtype=np.float64)
        if labels.shape != (len(rows),):
            raise TaskError(expected(f"y of shape ({len(rows)},)", f"shape {labels.shape}"))
        if self.classes:
            fits = (labels >= 0) & (labels < self.classes) & (labels == np.floor(labels))
            if not fits.all():
                got = f"{labels[int(np.argmin(fits))]:g}"
                raise TaskError(expected(f"labels 0 to {self.classes - 1}", got))
        if not len(rows):
            return self
        with machine_of_thread() as machine:
            cells = self._open(machine, rows, labels, tier)
            served = machine.learn(self.step)
            if machine.died(0):
                raise stopped(served, self.max_abs_error)
            memory = read_memory(machine, 0, self.program, self.classes, self.features, cells)
        self._memory = memory
        self.step += len(rows)
        return self

    def _rows(self, X: npt.ArrayLike) -> Array:
        try:
            rows = np.ascontiguousarray(X, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise TaskError(expected("features that are numbers", error)) from None
        if rows.ndim != 2 or rows.shape[1] != self.features:
            raise TaskError(expected(f"X of shape (n, {self.features})", f"shape {rows.shape}"))
        return rows

    def _open(
        self, machine: _core.Machine, rows: Array, labels: Array, tier: str
    ) -> Mapping[Address, int]:
        """Puts a machine where the model stands; returns where compiled code has its memory."""
        if tier not in _MODEL_TIERS:
            hint = nearest(str(tier), _MODEL_TIERS)
            named = f"one of {', '.join(_MODEL_TIERS)}"
            raise ConfigError("tier: " + expected(named, repr(tier), hint))
        native = None
        if tier == "compiled":
            native = compiled_alone(self.program, self.classes, self.features)
        cells = native.cells if native else {}
        X, y = rows[..., None], labels[:, None]
        batch = _core.Batch(X, y, X, y, keys=[self.key], active=1, classes=self.classes)
        code, given = code_of(self.program), native.arguments if native else {}
        machine.open(code, batch, self.seed, self.max_abs_error, **given)
        write_memory(machine, 0, self.program, self.classes, self._memory, cells)
        return cells

    # ---- files ----

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to an .npz file, without pickle: wholly or not at all."""
        header: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("features", "classes", "metric", "key", "seed", "max_abs_error", "step")
        }
        header |= {"version": _VERSION, "program": str(self.program)}
        arrays = {f"memory/{name}": value for name, value in self._memory.items()}
        if self.preparation:
            header["preparation"] = described(self.preparation, arrays)
        arrays["model"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        try:
            write_file(os.fspath(path), buffer.getvalue())
        except OSError as error:
            message = f"cannot write {os.fspath(path)}: {error.strerror or error}"
            if error.errno in _FULL:
                raise ResourceError(message, len(buffer.getvalue())) from None
            raise AzcError(message) from None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
        """The model in a file that `save` wrote. Raises `AzcError` for any other."""
        name = os.fspath(path)
        try:
            with zipfile.ZipFile(name) as archive:
                check_sizes(archive, name)
            with np.load(name, allow_pickle=False) as arrays:
                return cls._from_arrays(dict(arrays))
        except OSError as error:
            raise AzcError(f"cannot read {name}: {error.strerror or error}") from None
        except ParseError as error:
            raise AzcError(expected(f"a program in {name}", error)) from None
        except AzcError as error:
            raise AzcError(f"{name}: {error}") from None
        except Exception as error:  # what NumPy and zipfile raise for damaged files has no end
            got = str(error).split("\n")[0][:200] or type(error).__name__
            if not zipfile.is_zipfile(name):
                got = "another kind of file"
            do = "'azc run … --save MODEL.npz' writes one"
            raise AzcError(expected(f"{name} to be a model that azc saved", got, do)) from None

    @classmethod
    def _from_arrays(cls, arrays: dict[str, Any]) -> Model:
        header = json.loads(arrays["model"].astype(np.uint8).tobytes())
        if header.pop("version") != _VERSION:
            raise AzcError(expected(f"a model of version {_VERSION}", "another", "train it again"))
        program = verify(parse(header.pop("program"), filename="<model>"))
        features = whole_number("features", header["features"], 1, 4096)
        classes = whole_number("classes", header["classes"], 0, max(2, features))
        for field, most in (("key", 2**64 - 1), ("seed", 2**64 - 1), ("step", 2**63 - 1)):
            whole_number(field, header[field], 0, most)
        positive_number("max_abs_error", header["max_abs_error"])
        if header["metric"] not in ("rmse", "accuracy"):
            raise AzcError(expected("metric 'rmse' or 'accuracy'", repr(header["metric"])))
        check_coordinates(program, features)
        memory = {}
        for address in state_of(program, classes):
            value = arrays[f"memory/{address}"]
            if value.shape != (features,) * address.type.rank or value.dtype != np.float64:
                raise AzcError(
                    expected(f"the memory of {address} for {features} features", "other")
                )
            memory[str(address)] = value
        form = header.pop("preparation", None)
        preparation = preparation_in(form, arrays, features) if form else None
        return cls(program, memory=memory, preparation=preparation, **header)

    def __repr__(self) -> str:
        return f"<Model of {self.program.filename}, {self.features} features, step {self.step}>"


def stopped(served: int, limit: float) -> TrainingError:
    do = "raise max_abs_error, or standardise the labels"
    got = f"more, or NaN, at example {served}"
    return TrainingError(expected(f"absolute errors of at most {limit:g} in training", got, do))
