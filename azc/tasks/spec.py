"""The text that names a task kind, taken apart here alone.

linear | affine | teacher-nn
SET[:raw][:PART]      SET an image set, PART one of  search  select  all  A,B
iris | wine | …       a table that comes with scikit-learn
FILE.npz | FILE.csv | FILE.tsv | FILE.parquet, the middle two also with .gz behind
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

from azc.errors import TaskError, expected, nearest
from azc.tasks.bundled import BUNDLED, Bundled
from azc.tasks.declared import CSV, IMAGES, POOL, ROWS, TABLE, task_options
from azc.tasks.images.catalogue import IMAGE_SETS, ImageSet
from azc.tasks.synthetic import SENTENCES as SYNTHETIC

__all__ = ["FILE_SUFFIXES", "GIVEN", "Spec", "check_fit", "parse_spec"]

FILE_SUFFIXES = (".npz", ".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
#: Stands for tasks that no spec describes, because somebody gave them from Python.
GIVEN = "given"
_PARTS = ("search", "select", "all")


@dataclass(frozen=True, slots=True)
class Spec:
    """A parsed spec; exactly one of `synthetic`, `images`, `bundled`, `file` is set, none
    where the text is `GIVEN`.

    `part` is for image sets: ``"pairs"`` (every pair), ``"search"``, ``"select"``, ``"all"`` or
    ``"pair"`` with the two classes in `pair`, the first of which gets label 0.
    """

    text: str
    synthetic: str | None = None
    images: ImageSet | None = None
    raw: bool = False
    part: str = "pairs"
    pair: tuple[int, int] | None = None
    file: Path | None = None
    bundled: Bundled | None = None

    @property
    def single(self) -> bool:
        """Whether there is one such task only: a file that is used exactly as given."""
        return self._is_npz and not self.several

    @property
    def several(self) -> bool:
        """Whether it is a pattern, such as ``"data/*.csv"``: a task from each file that fits."""
        return self.file is not None and bool(re.search(r"[*?\[]", str(self.file)))

    def files(self) -> list[Path]:
        """Those that a pattern fits, in the order of their names. Raises `TaskError`."""
        files = sorted(map(Path, glob(str(self.file), recursive=True)))
        if not files:
            raise TaskError(expected(f"files that {self.text!r} fits", "none"))
        return files

    @property
    def _is_npz(self) -> bool:
        return self.file is not None and self.file.suffix.lower() == ".npz"

    @property
    def is_table(self) -> bool:
        """Whether it is a file of rows to be shared out."""
        return self.file is not None and not self._is_npz

    @property
    def is_parquet(self) -> bool:
        return self.file is not None and self.file.suffix.lower() == ".parquet"


def parse_spec(text: str) -> Spec:
    """The `Spec` that `text` names. Raises `TaskError`; reads no file."""
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise TaskError(expected("the name of a task kind", repr(text), _KINDS))
    text = text.strip()
    if text.lower().endswith(FILE_SUFFIXES):
        return Spec(text, file=Path(os.path.expanduser(text)))
    if text == GIVEN:
        return Spec(text)
    name, *rest = text.split(":")
    if name in SYNTHETIC:
        if rest:
            raise TaskError(expected(f"{name!r} alone", repr(text), "it has no classes to choose"))
        return Spec(text, synthetic=name)
    if name in BUNDLED:
        if rest:
            raise TaskError(expected(f"{name!r} alone", repr(text), "its classes go together"))
        return Spec(text, bundled=BUNDLED[name])
    if name in IMAGE_SETS:
        return _image_spec(text, IMAGE_SETS[name], rest)
    if re.search(r"[/\\]|\.\w+$", text):
        what = f"a file ending in {', '.join(FILE_SUFFIXES[:-1])} or {FILE_SUFFIXES[-1]}"
        raise TaskError(expected(what, repr(text)))
    hint = nearest(name, [*SYNTHETIC, *IMAGE_SETS, *BUNDLED]) or _KINDS
    raise TaskError(expected("a known task kind", repr(name), hint))


_KINDS = (
    f"choose one of {', '.join(SYNTHETIC)}, {', '.join(IMAGE_SETS)}, "
    f"{', '.join(BUNDLED)}, "
    f"or a file ending in {', '.join(FILE_SUFFIXES[:-1])} or {FILE_SUFFIXES[-1]}"
)


def _image_spec(text: str, images: ImageSet, rest: list[str]) -> Spec:
    name = images.name
    raw = rest[:1] == ["raw"]
    parts = rest[1:] if raw else rest
    form = f"{name}[:raw][:search|select|all|A,B]"
    if len(parts) > 1:
        do = f"write {name}:raw:{parts[0]}" if parts[1] == "raw" else ""
        raise TaskError(expected(form, repr(text), do))
    if not parts:
        return Spec(text, images=images, raw=raw)
    part = parts[0].strip()
    if part in _PARTS:
        return Spec(text, images=images, raw=raw, part=part)
    pair = re.fullmatch(r"([0-9]{1,9})\s*,\s*([0-9]{1,9})", part)
    if pair is None:
        do = nearest(part, _PARTS if raw else [*_PARTS, "raw"]) or f"for example {name}:0,1"
        raise TaskError(expected(f"{form} with A and B classes", repr(text), do))
    a, b = int(pair[1]), int(pair[2])
    top = images.classes - 1
    if a > top or b > top:
        raise TaskError(expected(f"classes from 0 to {top} in {name}", f"{max(a, b)} in {text!r}"))
    if a == b:
        raise TaskError(expected("two different classes", f"{a} twice in {text!r}"))
    return Spec(text, images=images, raw=raw, part="pair", pair=(a, b))


def check_fit(spec: Spec, options: Mapping[str, Any]) -> None:
    """Raise `TaskError` where an option, correct by itself, is not for the kind of task."""
    kinds = set()
    if spec.is_table:
        kinds = {TABLE, ROWS, POOL} if spec.is_parquet else {TABLE, ROWS, CSV, POOL}
    elif spec.file is not None:
        kinds = {POOL}
    elif spec.images is not None:
        kinds = {IMAGES}
    elif spec.bundled is not None:
        kinds = {ROWS, POOL}
    pooled = bool(options.get("rows") or options.get("vary"))
    for option in task_options():
        value = options.get(option.name)
        if value in (None, (), []) or not option.only or option.only in kinds:
            continue
        got = repr(list(value) if isinstance(value, tuple) else value)
        do = f"it belongs to {option.only}"
        raise TaskError(expected(f"no {option.name} for {spec.text!r}", got, do))
    if spec.synthetic is not None and options.get("metric") == "accuracy":
        what = f"metric 'rmse' for {spec.text!r}, whose labels are real"
        raise TaskError(expected(what, "'accuracy'"))
    if spec.single and not pooled and options.get("count") not in (None, 1):
        what = f"count 1 for {spec.text!r}, which is used exactly as given"
        do = "vary says how its rows are to make several"
        raise TaskError(expected(what, options["count"], do))
    if options.get("vary") == "pairs" and options.get("metric") == "rmse":
        do = "numbers have no classes; leave one of them out"
        raise TaskError(expected("metric 'accuracy' with vary 'pairs'", "'rmse'", do))
    if options.get("standardize_labels") and options.get("metric") == "accuracy":
        do = "classes have no mean; leave one of them out"
        raise TaskError(expected("metric 'rmse' with standardize_labels", "'accuracy'", do))
    if options.get("split") == "stratified" and options.get("metric") == "rmse":
        do = "numbers have no classes; leave one of them out"
        raise TaskError(expected("metric 'accuracy' with split 'stratified'", "'rmse'", do))
    if options.get("test_images") == "official" and spec.images and not spec.images.test_files:
        do = "leave test_images out"
        raise TaskError(expected("an image set with test files of its own", spec.images.name, do))
