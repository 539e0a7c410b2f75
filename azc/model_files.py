"""What stands in the file of a trained model beside its memory."""

from __future__ import annotations

import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from azc.errors import AzcError, ConfigError, expected
from azc.memory import Room
from azc.tasks import Preparation, Scaling

__all__ = ["check_sizes", "described", "preparation_in"]

Array = npt.NDArray[np.float64]

#: Bytes of a model's header at most.
_HEADER = 1 << 24
_SCALING = ("exponent", "mean", "rest", "scale")


def described(preparation: Preparation, arrays: dict[str, Array]) -> dict[str, Any]:
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
        "encoded": dict(preparation.encoded),
    }


def preparation_in(form: Any, arrays: dict[str, Any], features: int) -> Preparation:
    columns, classes = map(tuple, (form["columns"], form["classes"]))
    texts = (*columns, *classes, form["target"])
    if len(columns) != features or not all(isinstance(text, str) for text in texts):
        raise ConfigError(expected(f"names of {features} columns", "others"))

    def scaling(name: str, count: int) -> Scaling | None:
        if f"{name}/mean" not in arrays:
            return None
        exponent, *rest = (_numbers(arrays[f"{name}/{field}"], count) for field in _SCALING)
        return Scaling(np.clip(exponent, -2000, 2000).astype(np.int64), *rest)

    gaps = _numbers(arrays["gaps"], features) if "gaps" in arrays else None
    both = scaling("scaling", features), scaling("label_scaling", 1)
    encoded = {name: tuple(of) for name, of in form.get("encoded", {}).items()}
    sound = all(len(of) == 2 and all(isinstance(t, str) for t in of) for of in encoded.values())
    # Of each column of texts some values are features.
    if not sound or {of[0] for of in encoded.values()} != {
        of[0] for name, of in encoded.items() if name in columns
    }:
        raise ConfigError(expected("a column and a value of each column of texts", "others"))
    return Preparation(columns, form["target"], both[0], classes, both[1], gaps, encoded)


def _numbers(array: Any, count: int) -> Array:
    if array.shape != (count,) or array.dtype != np.float64 or np.isnan(array).any():
        raise AzcError(expected(f"{count} numbers for each column", "others"))
    result: Array = array
    return result


def check_sizes(archive: zipfile.ZipFile, name: str) -> None:
    """Refuse what would unpack to more than a model can have."""
    members = archive.infolist()
    total = sum(member.file_size for member in members)
    if "model.npy" not in archive.namelist() or archive.getinfo("model.npy").file_size > _HEADER:
        raise AzcError(expected("a model that azc saved", "another archive"))
    Room().refuse_beyond(2 * total, f"the model {name}", "features")
