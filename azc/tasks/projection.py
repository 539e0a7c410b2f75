"""Classification tasks from image sets: which classes, which images, and the random projection.

A projected task flattens the images, multiplies them by one N(0, 1) matrix of its own down to F
dimensions and standardises with the training part's mean and deviation (Real et al.,
"AutoML-Zero", ICML 2020, section 4). A raw task standardises the pixels themselves. The parts
are drawn stratified and without overlap from the first training images of each class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from azc.errors import TaskError, expected
from azc.tasks.draws import (
    ORDER,
    PAIRS,
    PARAMETERS,
    generator,
    share,
    standardise,
    stratified,
    task_seed,
)
from azc.tasks.images.catalogue import ImageSet
from azc.tasks.spec import Spec
from azc.tasks.task import MAX_FEATURES, Array, Task

__all__ = ["FEATURES", "SELECT_PAIRS", "classes_of", "default_features", "make_image_task", "pairs"]

FEATURES = 16

# The paper's split of the 45 pairs of ten classes: 9 held out for selection, 36 for search.
SELECT_PAIRS = ((0, 5), (0, 9), (1, 8), (2, 9), (3, 5), (3, 6), (3, 8), (4, 6), (8, 9))

# Entries of a projection are multiples of this. With pixels of 8 bits every partial sum is then a
# float64 without rounding, so the product has the same bits on every machine and in any order.
_GRID = 28
_ROWS = 1024


@lru_cache(maxsize=16)
def pairs(classes: int, part: str, seed: int) -> npt.NDArray[np.intp]:
    """The (p, 2) pairs a < b of `part` ("pairs", "search" or "select") in the seed's order.

    Ten classes are split as in the paper. For more, every fifth pair is for selection: those
    whose a + b is divisible by 5.
    """
    both = np.stack(np.triu_indices(classes, k=1), axis=1)
    if part != "pairs":
        if classes == 10:
            held_out = (both[:, None] == np.array(SELECT_PAIRS)).all(axis=2).any(axis=1)
        else:
            held_out = both.sum(axis=1) % 5 == 0
        both = both[held_out if part == "select" else ~held_out]
    result = both[generator(seed, 0, PAIRS).permutation(len(both))]
    result.flags.writeable = False
    return result


def classes_of(spec: Spec, seed: int, index: int) -> tuple[int, ...]:
    """The classes of task `index`, in the order of its labels."""
    assert spec.images is not None
    if spec.pair is not None:
        return spec.pair
    if spec.part == "all":
        return tuple(range(spec.images.classes))
    order = pairs(spec.images.classes, spec.part, seed)
    a, b = order[index % len(order)]
    return int(a), int(b)


def default_features(spec: Spec) -> int:
    """F where none is asked for."""
    assert spec.images is not None
    if spec.raw:
        return spec.images.pixels
    return max(FEATURES, spec.images.classes) if spec.part == "all" else FEATURES


def make_image_task(
    spec: Spec,
    pools: Mapping[int, npt.NDArray[np.uint8]],
    *,
    features: int | None,
    train: int | None,
    valid: int | None,
    seed: int,
    index: int,
    metric: str | None,
    tests: Mapping[int, npt.NDArray[np.uint8]] | None = None,
) -> Task:
    """Task `index` of the set `seed`, from the `pools` of images of its classes.

    `metric` None is accuracy. The test part is all of `tests`, the images of the set's own test
    files, if they are given; otherwise it is drawn as the others are, and what is left of a class
    after the training and validation parts limits it; it may be empty.
    """
    info = spec.images
    assert info is not None
    metric = "accuracy" if metric is None else metric
    features = _features(spec, info, features, metric)
    classes = classes_of(spec, seed, index)
    images = [pools[c] for c in classes]
    counts = _counts(info, classes, [len(pool) for pool in images], train, valid)
    counts = counts[:2] if tests is not None else counts
    draws = stratified([len(pool) for pool in images], counts, seed, index)
    matrix = None if spec.raw else projection(features, info.pixels, seed, index)
    flat = [_pick(images, labels, rows, matrix) for labels, rows in draws]
    if tests is not None:
        official = [tests[c] for c in classes]
        draws[2:] = [_all_of([len(pool) for pool in official], seed, index)]
        flat[2:] = [_pick(official, *draws[2], matrix)]
    parts: list[Any] = []
    for X, (labels, _) in zip(standardise(*flat), draws, strict=True):
        parts += [X, labels.astype(np.float64)]
    test: Sequence[Array | None] = parts[4:] or (None, None)
    which = "all" if spec.part == "all" else ",".join(map(str, classes))
    return Task(
        *parts[:4],
        metric=metric,
        name=f"{info.name}{':raw' if spec.raw else ''}:{which}[{index}]",
        classes=len(classes) if metric == "accuracy" else None,
        seed=task_seed(seed, index),
        X_test=test[0],
        y_test=test[1],
    )


def projection(features: int, pixels: int, seed: int, index: int) -> Array:
    """The (pixels, F) matrix of a task; a smaller F gives the first columns of a larger one."""
    matrix = generator(seed, index, PARAMETERS).standard_normal((features, pixels))
    return np.ldexp(np.rint(np.ldexp(matrix, _GRID)), -_GRID).T


def _features(spec: Spec, info: ImageSet, features: int | None, metric: str) -> int:
    if features is None:
        return default_features(spec)
    if spec.raw and features != info.pixels:
        what = f"features {info.pixels} for {spec.text!r}, the number of its pixels"
        do = f"leave features out, or project with {spec.text.replace(':raw', '')}"
        raise TaskError(expected(what, features, do))
    if spec.part == "all" and metric == "accuracy" and features < info.classes:
        what = f"{info.classes} to {MAX_FEATURES} features for {spec.text!r}, one per class"
        raise TaskError(expected(what, features))
    return features


def _counts(
    info: ImageSet,
    classes: Sequence[int],
    sizes: Sequence[int],
    train: int | None,
    valid: int | None,
) -> list[int]:
    """(train, valid) and, unless nothing is left for it, test."""
    defaults = info.pair if len(classes) == 2 else info.all
    train = defaults[0] if train is None else train
    valid = defaults[1] if valid is None else valid
    n = len(classes)
    taken = [a + b for a, b in zip(share(train, n), share(valid, n), strict=True)]
    left = [size - used for size, used in zip(sizes, taken, strict=True)]
    if min(left) < 0:
        smallest = int(np.argmin(sizes))
        what = (
            f"at most {min(sizes) * n:,} training and validation examples together of {info.name}"
        )
        do = f"class {classes[smallest]} has {sizes[smallest]:,} images to draw from"
        raise TaskError(expected(what, f"{train:,} + {valid:,}", do))
    test = min(defaults[2], min(left) * n)
    return [train, valid, test] if test else [train, valid]


def _all_of(
    sizes: Sequence[int], seed: int, index: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """(class, row within it) of all images, shuffled as a test part is."""
    order = generator(seed, index, ORDER, 2).permutation(sum(sizes))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return labels[order], np.concatenate([np.arange(size) for size in sizes])[order]


def _pick(
    images: Sequence[npt.NDArray[np.uint8]],
    labels: npt.NDArray[np.intp],
    rows: npt.NDArray[np.intp],
    matrix: Array | None,
) -> Array:
    """The chosen images as float64, (n, pixels), or projected, (n, F)."""
    chosen = np.empty((len(rows), images[0].shape[1]), dtype=np.uint8)
    for c, pool in enumerate(images):
        here = labels == c
        chosen[here] = pool[rows[here]]
    if matrix is None:
        return chosen.astype(np.float64)
    result = np.empty((len(rows), matrix.shape[1]))
    for start in range(0, len(rows), _ROWS):
        block = chosen[start : start + _ROWS].astype(np.float64)
        np.matmul(block, matrix, out=result[start : start + _ROWS])
    return result
