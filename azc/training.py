"""Trained models: the memory that training leaves, what it predicts, and how it goes on."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from azc.analysis import needed
from azc.checks import positive_number, whole_number
from azc.errors import AzcError, ConfigError, ParseError, TaskError, expected
from azc.lang import parse
from azc.memory import Room
from azc.ops import Type
from azc.prepared import check_coordinates, code_of
from azc.program import Address, Program, verify
from azc.runtime import _core
from azc.tasks import Preparation, Scaling, Task

__all__ = ["Model", "TrainingError", "test_scores", "train"]

Array = npt.NDArray[np.float64]

_VERSION = 1
_TYPES = {Type.SCALAR: 1, Type.VECTOR: 2, Type.MATRIX: 3}
#: Bytes of a model's header at most.
_HEADER = 1 << 24


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
        self._memory = {name: np.array(memory[name]) for name in _names(program, classes)}

    @property
    def memory(self) -> Mapping[str, Array]:
        """Copies of what stands in memory."""
        return MappingProxyType({name: value.copy() for name, value in self._memory.items()})

    def predict(self, X: npt.ArrayLike) -> Array:
        """Raw predictions (n,), or (n, C) for more than two classes, of features (n, F): what
        stands in s1 (v2), before any sigmoid or softmax. No limit on errors applies.

        The examples are taken in order, from the model's memory and step on, as a validation after
        its training would take them; the model itself stays as it is. So where Predict keeps
        something from one example to the next, or draws random numbers, a prediction depends on
        its place in X.
        """
        rows = self._rows(X)
        width = self.classes if self.classes > 2 else 1
        found = np.empty((len(rows), width, 1))
        if len(rows):
            self._open(rows, np.zeros(len(rows))).predict(self.step, found)
        return found[..., 0] if width > 1 else found[:, 0, 0]

    def classes_of(self, raw: Array) -> npt.NDArray[np.intp]:
        """The classes (n,) that raw predictions stand for."""
        if self.classes > 2:
            return np.array([_last_largest(row) for row in raw], dtype=np.intp)
        with _core.Environment(), np.errstate(all="ignore"):
            odds = -raw
            _core.apply("exp", odds)
            return (1.0 / (1.0 + odds) > 0.5).astype(np.intp)

    def score(self, X: npt.ArrayLike, y: npt.ArrayLike) -> tuple[float, float]:
        """(fitness, metric) of the predictions for X, as a validation on these examples has them:
        accuracy; or RMSE, inf with fitness 0 where an error is NaN or above `max_abs_error`."""
        found, labels = self.predict(X), np.ascontiguousarray(y, dtype=np.float64)
        if labels.shape != (len(found),) or not len(found):
            raise TaskError(expected("a label for each of some examples", f"shape {labels.shape}"))
        with _core.Environment(), np.errstate(all="ignore"):
            if self.classes:
                share = float((self.classes_of(found) == labels).mean())
                return share, share
            errors = labels - found
            if not (np.abs(errors) <= self.max_abs_error).all():
                return 0.0, float("inf")
            # Added one by one, as the runtime adds them.
            rmse = float(np.sqrt(np.cumsum(errors * errors)[-1] / len(errors)))
            angle = np.array([rmse])
            _core.apply("arctan", angle)
            fitness = 1.0 - 0.63661977236758134308 * float(angle[0]) if rmse < np.inf else 0.0
            return fitness, rmse

    def partial_fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Model:
        """Train on further examples, one after the other, from where the model stands.

        Raises `AzcError` where an error is NaN or above `max_abs_error`; the model then stays as
        it was.
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
        machine = self._open(rows, labels)
        served = machine.learn(self.step)
        if machine.stopped:
            raise _stopped(served, self.max_abs_error)
        self._memory = _read(machine, self.program, self.classes, self.features)
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

    def _open(self, rows: Array, labels: Array) -> _core.Machine:
        X, y = rows[..., None], labels[:, None]
        batch = _core.Batch(X, y, X, y, keys=[self.key], active=1, classes=self.classes)
        machine = _core.Machine()
        machine.open(code_of(self.program), batch, self.seed, self.max_abs_error)
        for address in _state(self.program, self.classes):
            values = np.ascontiguousarray(self._memory[str(address)]).reshape(-1)
            machine.cell(_TYPES[address.type], address.number, values, write=True)
        return machine

    # ---- files ----

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to an .npz file: numbers and text, no pickle."""
        header: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("features", "classes", "metric", "key", "seed", "max_abs_error", "step")
        }
        header |= {"version": _VERSION, "program": str(self.program)}
        arrays = {f"memory/{name}": value for name, value in self._memory.items()}
        if self.preparation:
            header["preparation"] = _described(self.preparation, arrays)
        arrays["model"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        try:
            Path(path).write_bytes(buffer.getvalue())
        except OSError as error:
            raise AzcError(f"cannot write {os.fspath(path)}: {error.strerror or error}") from None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
        """The model in a file that `save` wrote. Raises `AzcError` for any other."""
        name = os.fspath(path)
        try:
            with zipfile.ZipFile(name) as archive:
                _check_sizes(archive, name)
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
            raise AzcError(expected(f"{name} to be a model that azc saved", got)) from None

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
        for address in _state(program, classes):
            value = arrays[f"memory/{address}"]
            if value.shape != (features,) * address.type.rank or value.dtype != np.float64:
                raise AzcError(
                    expected(f"the memory of {address} for {features} features", "other")
                )
            memory[str(address)] = value
        described = header.pop("preparation", None)
        preparation = _preparation(described, arrays, features) if described else None
        return cls(program, memory=memory, preparation=preparation, **header)

    def __repr__(self) -> str:
        return f"<Model of {self.program.filename}, {self.features} features, step {self.step}>"


def train(
    program: Program,
    task: Task,
    *,
    epochs: int = 1,
    seed: int = 0,
    max_abs_error: float = 100.0,
) -> Model:
    """Train `program` on the training part of `task`, as `azc.evaluate` does: the model is what it
    validates in the last epoch, so that ``model.predict(task.X_valid)`` are its predictions, to the
    bit.

    Raises what `evaluate` raises, and `AzcError` where training stops at an error that is NaN or
    above `max_abs_error`.
    """
    if not isinstance(program, Program):
        got = repr(program) if isinstance(program, str) else type(program).__name__
        raise AzcError(expected("a Program", got, "make one with azc.parse(…) or azc.load(…)"))
    if not isinstance(task, Task):
        raise TaskError(expected("a Task", type(task).__name__, "make one with azc.Task(…)"))
    epochs = whole_number("epochs", epochs, 1, 2**63 - 1)
    seed = whole_number("seed", seed, 0, 2**64 - 1)
    max_abs_error = positive_number("max_abs_error", max_abs_error)
    code = code_of(program)
    check_coordinates(program, task.features)
    machine, n, v = _core.Machine(), len(task.y_train), len(task.y_valid)
    required = machine.bytes_needed(
        code,
        features=task.features,
        classes=task.classes,
        lanes=1,
        train=n,
        valid=v,
        epochs=epochs,
    )
    Room().refuse_beyond(required, f"this program on {task.name} (F = {task.features})")
    batch = _core.Batch(
        task.X_train[..., None],
        task.y_train[:, None],
        task.X_valid[..., None],
        task.y_valid[:, None],
        keys=[task.key],
        active=1,
        classes=task.classes,
    )
    served = machine.run(
        code,
        batch,
        np.empty(1),
        np.empty(1),
        epochs=epochs,
        seed=seed,
        max_abs_error=max_abs_error,
        train_only=True,
    )
    if machine.stopped:
        raise _stopped(served, max_abs_error)
    return Model(
        program,
        features=task.features,
        classes=task.classes,
        metric=task.metric,
        key=task.key,
        seed=seed,
        max_abs_error=max_abs_error,
        step=1 + (epochs - 1) * (n + v) + n,
        memory=_read(machine, program, task.classes, task.features),
        preparation=task.preparation,
    )


def test_scores(
    program: Program, tasks: Sequence[Task], **settings: Any
) -> list[tuple[float, float]]:
    """(fitness, metric) on each task's test part, once, of the model that `train` makes; fitness 0
    where training stops. `settings` are those of `train`. Raises `TaskError` where a task has no
    test part."""
    for task in tasks:
        if task.X_test is None:
            do = "give train and valid such that examples are left, or X_test and y_test"
            raise TaskError(expected(f"a test part of {task.name}", "none", do))
    found = []
    for task in tasks:
        try:
            model = train(program, task, **settings)
        except TrainingError:
            found.append((0.0, 0.0 if task.classes else float("inf")))
            continue
        assert task.X_test is not None
        assert task.y_test is not None
        found.append(model.score(task.X_test, task.y_test))
    return found


def _last_largest(logits: Array) -> int:
    best = 0
    for index in range(1, len(logits)):
        if logits[index] >= logits[best]:
            best = index
    return best


def _state(program: Program, classes: int) -> list[Address]:
    """The addresses that carry a value from one example to the next."""
    return sorted(needed(program, classes).between, key=lambda a: (a.type.rank, a.number))


def _names(program: Program, classes: int) -> list[str]:
    return [str(address) for address in _state(program, classes)]


def _read(
    machine: _core.Machine, program: Program, classes: int, features: int
) -> dict[str, Array]:
    memory = {}
    for address in _state(program, classes):
        values = np.zeros(features**address.type.rank)
        machine.cell(_TYPES[address.type], address.number, values)
        memory[str(address)] = values.reshape((features,) * address.type.rank)
    return memory


def _stopped(served: int, limit: float) -> TrainingError:
    do = "raise max_abs_error, or standardise the labels"
    got = f"more, or NaN, at example {served}"
    return TrainingError(expected(f"absolute errors of at most {limit:g} in training", got, do))


# ---- preparations in files ----

_SCALING = ("exponent", "mean", "rest", "scale")


def _described(preparation: Preparation, arrays: dict[str, Array]) -> dict[str, Any]:
    """What JSON holds of it; the numbers go to `arrays`."""
    for name in ("scaling", "label_scaling"):
        scaling: Scaling | None = getattr(preparation, name)
        if scaling:
            for field in _SCALING:
                arrays[f"{name}/{field}"] = getattr(scaling, field).astype(np.float64)
    if preparation.gaps is not None:
        arrays["gaps"] = preparation.gaps
    return {
        "columns": preparation.columns,
        "target": preparation.target,
        "classes": preparation.classes,
    }


def _preparation(described: Any, arrays: dict[str, Any], features: int) -> Preparation:
    columns, classes = map(tuple, (described["columns"], described["classes"]))
    texts = (*columns, *classes, described["target"])
    if len(columns) != features or not all(isinstance(text, str) for text in texts):
        raise ConfigError(expected(f"names of {features} columns", "others"))

    def scaling(name: str, count: int) -> Scaling | None:
        if f"{name}/mean" not in arrays:
            return None
        exponent, *rest = (_numbers(arrays[f"{name}/{field}"], count) for field in _SCALING)
        return Scaling(np.clip(exponent, -2000, 2000).astype(np.int64), *rest)

    gaps = _numbers(arrays["gaps"], features) if "gaps" in arrays else None
    both = scaling("scaling", features), scaling("label_scaling", 1)
    return Preparation(columns, described["target"], both[0], classes, both[1], gaps)


def _numbers(array: Any, count: int) -> Array:
    if array.shape != (count,) or array.dtype != np.float64 or np.isnan(array).any():
        raise AzcError(expected(f"{count} numbers for each column", "others"))
    result: Array = array
    return result


def _check_sizes(archive: zipfile.ZipFile, name: str) -> None:
    """Refuse what would unpack to more than a model can have."""
    members = archive.infolist()
    total = sum(member.file_size for member in members)
    if "model.npy" not in archive.namelist() or archive.getinfo("model.npy").file_size > _HEADER:
        raise AzcError(expected("a model that azc saved", "another archive"))
    Room().refuse_beyond(2 * total, f"the model {name}", "features")
