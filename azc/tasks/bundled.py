"""Real tables that come with scikit-learn, and so need no download: wine, iris and others.

Their files are read directly, because importing scikit-learn costs about a second.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from azc.errors import TaskError, expected
from azc.tasks.reading import decompressed, reading
from azc.tasks.tables import Table, without
from azc.tasks.task import Array

__all__ = ["BUNDLED", "Bundled", "read_bundled"]

_MOST = 1 << 20


@dataclass(frozen=True, slots=True)
class Bundled:
    """One table: `files` lie in scikit-learn's folder of data; `classes` is 0 for regression, whose
    labels are standardised unless told otherwise."""

    name: str
    sentence: str
    rows: int
    columns: tuple[str, ...]
    classes: int
    files: tuple[str, ...]
    loader: str

    @property
    def metric(self) -> str:
        return "accuracy" if self.classes else "rmse"

    @property
    def sizes(self) -> tuple[int, int]:
        """Default training and validation examples."""
        return self.rows - self.rows // 5, self.rows // 5


_CELLS = (
    *("radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity"),
    *("concave points", "symmetry", "fractal dimension"),
)

BUNDLED = {
    info.name: info
    for info in (
        Bundled(
            name="iris",
            sentence="Three species of iris by four measures of the flower: 150 plants.",
            rows=150,
            columns=tuple(
                f"{part} {side} (cm)" for part in ("sepal", "petal") for side in ("length", "width")
            ),
            classes=3,
            files=("iris.csv",),
            loader="load_iris",
        ),
        Bundled(
            name="wine",
            sentence="Three growers of wine by 13 chemical measures: 178 wines.",
            rows=178,
            columns=(
                *("alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium"),
                *("total_phenols", "flavanoids", "nonflavanoid_phenols", "proanthocyanins"),
                *("color_intensity", "hue", "od280/od315_of_diluted_wines", "proline"),
            ),
            classes=3,
            files=("wine_data.csv",),
            loader="load_wine",
        ),
        Bundled(
            name="breast-cancer",
            sentence="Benign and malignant tumours by 30 measures of cells: 569 patients.",
            rows=569,
            columns=(
                *(f"mean {cell}" for cell in _CELLS),
                *(f"{cell} error" for cell in _CELLS),
                *(f"worst {cell}" for cell in _CELLS),
            ),
            classes=2,
            files=("breast_cancer.csv",),
            loader="load_breast_cancer",
        ),
        Bundled(
            name="diabetes",
            sentence="Regression: a year's course of diabetes by 10 measures: 442 patients.",
            rows=442,
            columns=("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"),
            classes=0,
            files=("diabetes_data_raw.csv.gz", "diabetes_target.csv.gz"),
            loader="load_diabetes",
        ),
    )
}


def read_bundled(name: str, drop: tuple[str, ...] = ()) -> Table:
    """The table of that name without the columns of `drop`; raises `TaskError`."""
    info = BUNDLED[name]
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        do = "pip install scikit-learn"
        raise TaskError(expected(f"scikit-learn, which holds {name}", "no such package", do))
    folder = Path(spec.origin).parent / "datasets" / "data"
    paths = [folder / file for file in info.files]
    if all(path.is_file() for path in paths):
        X, y, names = _read(info, paths)
    else:
        X, y, names = _load(info)
    if X.shape != (info.rows, len(info.columns)) or len(y) != info.rows:
        what = f"{info.rows} rows of {len(info.columns)} columns of {name} in scikit-learn"
        raise TaskError(expected(what, f"shape {X.shape}", "install scikit-learn again"))
    texts = np.array(names)[y.astype(np.intp)] if names else None
    table = Table(
        Path(name), "target", info.columns, X, texts, None if names else y, is_class=bool(names)
    )
    return without(table, drop)


def _read(info: Bundled, paths: list[Path]) -> tuple[Array, Array, list[str]]:
    """Features, labels and the names of the classes."""
    texts = []
    for path in paths:
        with reading(path, f"{info.name} of scikit-learn"), decompressed(path, _MOST) as stream:
            texts.append(stream.read().decode("ascii", errors="replace"))
    with reading(paths[0], f"{info.name} of scikit-learn", "install scikit-learn again"):
        if len(paths) == 2:
            X, y = (np.array([line.split() for line in text.splitlines()], float) for text in texts)
            return X, y[:, 0], []
        first, *rest = texts[0].splitlines()
        table = np.array([line.split(",") for line in rest], dtype=float)
        return table[:, :-1], table[:, -1], first.split(",")[2:]


def _load(info: Bundled) -> tuple[Array, Array, list[str]]:
    """The same from scikit-learn itself, should its files have moved."""
    from sklearn import datasets

    raw = {"scaled": False} if info.name == "diabetes" else {}
    data = getattr(datasets, info.loader)(**raw)
    names = [str(name) for name in data.target_names] if info.classes else []
    return np.asarray(data.data, float), np.asarray(data.target, float), names
