"""Estimators for scikit-learn: programs that train, and searches that evolve them, behind `fit` and
`predict`.

>>> from azc.sklearn import ProgramClassifier                        # doctest: +SKIP
>>> GridSearchCV(ProgramClassifier("logistic"), {"params__lr": [0.01, 0.1]})  # doctest: +SKIP

trained     a program trained on rows: scaling, padding, one model or one for each class
estimators  what both kinds of estimators share: checks, shuffling, classes, predictions
programs    `ProgramClassifier`, `ProgramRegressor`
judging     which of several programs learns best from rows; constants tuned for them
evolving    the tasks and settings of a search on rows
searches    `SearchClassifier`, `SearchRegressor`
"""

from azc.sklearn.programs import ProgramClassifier, ProgramRegressor
from azc.sklearn.searches import SearchClassifier, SearchRegressor

__all__ = ["ProgramClassifier", "ProgramRegressor", "SearchClassifier", "SearchRegressor"]
