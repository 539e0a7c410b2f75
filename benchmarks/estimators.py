"""The estimators of azc.sklearn beside scikit-learn's, in one cross-validation.

    python benchmarks/estimators.py [DATASET …] [--programs N] [--folds K] [--help]

Accuracy on digits, wine and breast-cancer, r² on diabetes: mean and standard deviation over the
folds, which are the same for all, and the median seconds of one training and of predicting what it
is scored on. All have their defaults, but that scikit-learn's get standardised features and the
networks as many epochs as they need, and that a second search, not on digits,
begins with nothing.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, cross_validate
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from azc.sklearn import (
    ProgramClassifier,
    ProgramRegressor,
    SearchClassifier,
    SearchRegressor,
)

DATA: dict[str, Callable[..., Any]] = {
    "digits": datasets.load_digits,
    "wine": datasets.load_wine,
    "breast-cancer": datasets.load_breast_cancer,
    "diabetes": datasets.load_diabetes,
}


#: A search that begins with nothing.
NOTHING: dict[str, Any] = {"start": "empty", "programs": 20_000, "random_state": 0}


def estimators(regression: bool, search: dict[str, Any]) -> dict[str, Any]:
    scaled = StandardScaler()
    if regression:
        return {
            "Ridge": make_pipeline(scaled, Ridge()),
            "MLPRegressor": make_pipeline(scaled, MLPRegressor(max_iter=2000, random_state=0)),
            "ProgramRegressor least_squares": ProgramRegressor(random_state=0),
            "ProgramRegressor network": ProgramRegressor("network", random_state=0),
            "SearchRegressor": SearchRegressor(random_state=0, **search),
            "SearchRegressor from nothing": SearchRegressor(**NOTHING),
        }
    return {
        "LogisticRegression": make_pipeline(scaled, LogisticRegression()),
        "MLPClassifier": make_pipeline(scaled, MLPClassifier(max_iter=2000, random_state=0)),
        "ProgramClassifier softmax": ProgramClassifier(random_state=0),
        "ProgramClassifier logistic": ProgramClassifier("logistic", random_state=0),
        "SearchClassifier": SearchClassifier(random_state=0, **search),
        "SearchClassifier from nothing": SearchClassifier(**NOTHING),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="DATASET")
    parser.add_argument("--programs", type=int, help="budget of the first search")
    parser.add_argument("--seconds", type=float, help="the same as time: not repeatable")
    parser.add_argument("--start", help="what it starts from")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    keys = ("programs", "seconds", "start")
    search = {key: value for key in keys if (value := getattr(given, key)) is not None}
    print("| data | estimator | score | deviation | fit s | predict s |\n|---|---|---|---|---|---|")
    for name in given.names or DATA:
        X, y = DATA[name](return_X_y=True)
        regression = name == "diabetes"
        folds = (KFold if regression else StratifiedKFold)(
            given.folds, shuffle=True, random_state=0
        )
        for label, estimator in estimators(regression, search).items():
            if name == "digits" and "nothing" in label:
                continue
            validated = cross_validate(
                estimator, X, y, cv=folds, n_jobs=given.jobs, error_score="raise"
            )
            score = validated["test_score"]
            fit, predict = (np.median(validated[key]) for key in ("fit_time", "score_time"))
            cells = (name, label, f"{score.mean():.3f}", f"{score.std():.3f}", f"{fit:.2f}",
                     f"{predict:.3f}")  # fmt: skip
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
