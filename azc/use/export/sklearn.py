"""To scikit-learn: a module with an estimator `Model`, which holds the NumPy class."""

from __future__ import annotations

from azc.use.export.numpy import core, covers
from azc.use.export.subject import Subject
from azc.use.export.words import docstring, indented_listing

__all__ = ["covers", "write"]

_HEAD = '''\
"""{title}: a {kind} that learns example by example. Needs NumPy and scikit-learn (1.6 or later).

{doc}    model = Model().fit(X, y)
    model.predict(X)               # {labels}

{program}"""

import warnings

import numpy as np
from sklearn.base import BaseEstimator, {mixin}
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
{imports}from sklearn.utils.validation import check_is_fitted, validate_data

__all__ = ["Model"]


'''

_CLASS = '''

class Model({mixin}, BaseEstimator):
    """{what}

    Parameters
    ----------
    epochs : how often all examples are learned; after the first time in random orders.
    standardize : whether features{and_labels} are brought to mean 0 and deviation 1 first.
    max_abs_error : training ends, with a warning, at a larger error.
    random_state : seed of the program's random numbers and of the orders.
    """

    def __init__(self, epochs=1, standardize=True, max_abs_error=100.0, random_state=0):
        self.epochs = epochs
        self.standardize = standardize
        self.max_abs_error = max_abs_error
        self.random_state = random_state

    def fit(self, X, y):
        """Train on X (n, F) and y (n,)."""
{labels}
        if self.epochs < 1:
            raise ValueError(f"epochs: expected at least 1, got {{self.epochs}}")
        rng = check_random_state(self.random_state)
        self.mean_, self.scale_ = np.zeros(X.shape[1]), np.ones(X.shape[1])
        if self.standardize:
            self.mean_, self.scale_ = X.mean(axis=0), X.std(axis=0)
            self.scale_[self.scale_ == 0] = 1.0
        classes = {classes}
        self.width_ = max(X.shape[1], {least})
        X = self._prepared(X)
        self.program_ = _Program(classes, self.max_abs_error)
        self.program_.reset(self.width_, int(rng.randint(2**31)))
        for epoch in range(self.epochs):
            for row in rng.permutation(len(X)) if epoch else range(len(X)):
                if not self.program_.learn(X[row], y[row]):
                    warnings.warn("an error is NaN or too large: training ends", ConvergenceWarning)
                    return self
        return self

    def _prepared(self, X):
        """Features as the program takes them; where it needs more, the others are zero."""
        prepared = np.zeros((len(X), self.width_))
        prepared[:, : X.shape[1]] = (X - self.mean_) / self.scale_
        return prepared

    def _raw(self, X):
        check_is_fitted(self)
        X = self._prepared(validate_data(self, X, dtype=np.float64, reset=False))
        # One by one, so that a prediction follows from its own features alone.
        return np.concatenate([self.program_.predict(x[np.newaxis]) for x in X])

'''

_REGRESSION = """\
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        y = y.astype(np.float64)
        self.label_mean_, self.label_scale_ = 0.0, 1.0
        if self.standardize:
            self.label_mean_, self.label_scale_ = y.mean(), y.std() or 1.0
        y = (y - self.label_mean_) / self.label_scale_\
"""
_CLASSES = """\
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, y = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"expected at least 2 classes, got {len(self.classes_)} class")\
"""
_TWO = """
        if len(self.classes_) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is "
                f"{type_of_target(self.classes_[y])}."
            )\
"""
_PREDICT_NUMBERS = '''\
    def predict(self, X):
        """Labels (n,)."""
        return self._raw(X) * self.label_scale_ + self.label_mean_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True  # a program may be anything
        return tags
'''
_PREDICT_TWO = '''\
    def decision_function(self, X):
        """Numbers (n,), above 0 for the second class."""
        return self._raw(X)

    def predict_proba(self, X):
        """Probabilities (n, 2)."""
        with np.errstate(over="ignore"):
            second = 1.0 / (1.0 + np.exp(-self._raw(X)))
        return np.stack([1.0 - second, second], axis=1)

    def predict(self, X):
        """Labels (n,)."""
        second = self._raw(X) > 0
        return self.classes_[second.astype(int)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True  # a program may be anything
        return tags
'''
_PREDICT_MANY = '''\
    def _logits(self, X):
        """A number for each class that there is; the program knows of three at least."""
        raw = self._raw(X)
        return raw[:, : len(self.classes_)]

    def decision_function(self, X):
        """Numbers (n, C), the largest for the likeliest class; of two classes (n,)."""
        logits = self._logits(X)
        return logits if len(self.classes_) > 2 else logits[:, 1] - logits[:, 0]

    def predict_proba(self, X):
        """Probabilities (n, C)."""
        logits = self._logits(X)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def predict(self, X):
        """Labels (n,)."""
        likeliest = np.argmax(self._logits(X), axis=1)
        return self.classes_[likeliest]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # a program may be anything
        return tags
'''


def write(subject: Subject) -> str:
    """The text of the module."""
    kind = "classifier" if subject.classes else "regressor"
    mixin = "ClassifierMixin" if subject.classes else "RegressorMixin"
    imports = ""
    if subject.many:
        imports = "from sklearn.utils.multiclass import check_classification_targets\n"
    elif subject.classes:
        imports = (
            "from sklearn.utils.multiclass import check_classification_targets, type_of_target\n"
        )
    head = _HEAD.format(
        title=subject.title,
        kind=kind,
        doc=docstring(subject),
        labels="labels" if subject.classes else "numbers",
        program=indented_listing(subject),
        mixin=mixin,
        imports=imports,
    )
    labels = _REGRESSION
    if subject.classes:
        labels = _CLASSES if subject.many else _CLASSES + _TWO
    body = _CLASS.format(
        mixin=mixin,
        what=f"The {kind}.",
        and_labels="" if subject.classes else " and labels",
        labels=labels,
        classes="max(3, len(self.classes_))" if subject.many else subject.classes,
        least=f"classes, {max(1, subject.most_coordinate + 1)}" if subject.many
        else max(1, subject.most_coordinate + 1),
    )  # fmt: skip
    predict = (
        _PREDICT_MANY if subject.many else _PREDICT_TWO if subject.classes else _PREDICT_NUMBERS
    )
    return head + core(subject, "_Program") + body + predict
