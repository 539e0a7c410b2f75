"""Overrides that bring the paper's experiments down to a fraction of a second."""

from __future__ import annotations

_SETS = {"search": "digits:search", "select": "digits:select", "final": "digits:select"}
#: Overrides that bring experiments on CIFAR-10 down to two tasks of digits.
DIGITS = (
    *(
        f"tasks.{which}.{key}={value}"
        for which, task in _SETS.items()
        for key, value in {
            "task": task, "count": 2, "features": 8, "train": 60, "valid": 20
        }.items()
    ),
    "hurdles=",
)  # fmt: skip
#: And their searches to so many programs.
SMALL = (*DIGITS, "search.interval=200", "search.stop.programs=2000", "search.islands=2")
#: The same for the final evaluation.
FINAL = tuple(
    f"{key}={value}"
    for key, value in {
        "images": "digits", "pairs": 2, "train": 60, "valid": 20, "fit_train": 40, "fit_valid": 20,
    }.items()
)  # fmt: skip
