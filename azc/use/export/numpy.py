"""To NumPy: a module with a class `Model`, one line for each instruction."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from azc.compiler.fusion import Statement
from azc.ops import Op, Type
from azc.program import Address
from azc.use.export.subject import Subject, loaded, ordered, places_of
from azc.use.export.words import docstring, indented_listing

__all__ = ["core", "covers", "write"]

_HEAD = '''\
"""{title}: a model that learns example by example. Needs NumPy alone.

{doc}    model = Model().fit(X, y)      # X (n, F), y (n,){labels}
    model.predict(X)               # {shape}

`fit` begins anew, `partial_fit` goes on; both take the examples in their order. Sums are added in
the order of azc, so that all numbers are azc's to the bit as far as they are made of + - * / and
square roots; exp, log and the like are NumPy's, which may differ from azc's in the last bits.

{program}"""

import numpy as np

__all__ = ["Model"]


'''

_TOTAL = '''\
def total(values, axis=None):
    """The sum: entry e is added to partial sum e mod 8, and the eight of them in a tree."""
    rows = np.ravel(values) if axis is None else np.moveaxis(values, axis, 0)
    s = np.full((-(-len(rows) // 8) * 8, *rows.shape[1:]), -0.0)
    s[: len(rows)] = rows
    s = s.reshape(-1, 8, *rows.shape[1:])
    t = s[0]
    for block in s[1:]:
        t = t + block
    return ((t[0] + t[4]) + (t[2] + t[6])) + ((t[1] + t[5]) + (t[3] + t[7]))


'''

_DRAWS = '''\
def mix(value):
    """A number of 64 bits as different as can be from those of its neighbours (SplitMix64)."""
    value = (value + 0x9E3779B97F4A7C15) % 2**64
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
    return value ^ (value >> 31)


def draws(key, shape, instruction, step):
    """Two arrays of uniform numbers between 0 and 1 (Philox4x32-10): what they are follows from
    where they are drawn, not from what was drawn before."""
    low, half = np.uint64(2**32 - 1), np.uint64(32)
    c0 = np.arange(int(np.prod(shape)), dtype=np.uint64)
    c1 = np.full_like(c0, instruction)
    c2, c3 = np.full_like(c0, step % 2**32), np.full_like(c0, step // 2**32)
    k0, k1 = key % 2**32, key // 2**32
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1 = (p1 >> half) ^ c1 ^ np.uint64(k0), p1 & low
        c2, c3 = (p0 >> half) ^ c3 ^ np.uint64(k1), p0 & low
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    words = c0 | (c1 << half), c2 | (c3 << half)
    return tuple((((w >> np.uint64(12)) + 0.5) / 2.0**52).reshape(shape) for w in words)


'''

_ENTRY = '''\
def changed(values, place, value):
    """A copy with another value at one place: a fraction of the entries, or a coordinate."""
    values = values.copy()
    F = len(values)
    values[tuple(p if isinstance(p, int) else min(int(F * p), F - 1) for p in place)] = value
    return values


'''

_CLASS = '''\
class {name}:
    """The model; `predict` returns {returns}.

    `classes`: 0 for labels that are numbers; for classes their number, labels being 0, 1, …
    `max_abs_error`: training stops at a larger error, or at NaN.
    """

    def __init__(self, classes={classes}, max_abs_error=100.0):
        self.classes, self.max_abs_error = classes, max_abs_error

    def reset(self, n_features, seed=0, task=0):
        """Begin anew. Random numbers follow from `seed`, and from `task`, any whole number."""
        {check}
        self.F, self.step = n_features, 0{key}
{zeros}
        with np.errstate(all="ignore"):
            self._setup()
        self.step = 1
        return self

    def fit(self, X, y, seed=0):
        """Begin anew, and learn each example once."""
        X = np.asarray(X, dtype=np.float64)
        return self.reset(X.shape[1], seed).partial_fit(X, y)

    def partial_fit(self, X, y):
        """Learn each example once. Where an error is too large, ValueError is raised, and the
        model stays as it was."""
        before = vars(self).copy()
        for row, (x, label) in enumerate(zip(np.asarray(X, dtype=np.float64), y, strict=True)):
            if not self.learn(x, label):
                vars(self).update(before)
                limit = self.max_abs_error
                raise ValueError(f"error at example {{row}}: NaN, or above {{limit:g}}")
        return self

    def learn(self, x, y):
        """Learn one example; False where the error is too large."""
        with np.errstate(all="ignore"):
            self.{features}, self.{label} = np.array(x, dtype=np.float64), {no_label}
            self._predict()
{judge}
            self.{features}, self.{label} = np.array(x, dtype=np.float64), label
            self._learn()
        self.step += 1
        return True

    def predict(self, X):
        """Predictions for examples one after the other; the model stays as it is."""
        before, predicted = vars(self).copy(), []
        with np.errstate(all="ignore"):
            for x in np.array(X, dtype=np.float64):
                self.{features}, self.{label} = x, {no_label}
                self._predict()
                predicted.append({predicted})
                self.step += 1
        vars(self).update(before)
        return np.array(predicted).reshape({predicted_shape})

'''

_JUDGE = """\
            label = np.float64(y)
            if self.classes:
                self.{prediction} = 1.0 / (1.0 + np.exp(-self.{prediction}))
            if not abs(label - self.{prediction}) <= self.max_abs_error:
                return False\
"""
_JUDGE_MANY = """\
            label, C = np.zeros(self.F), self.classes
            label[int(y)] = 1.0
            odds = self.{prediction}.copy()
            odds[:C] = np.exp(odds[:C] - np.max(odds[:C]))
            odds[:C] /= total(odds[:C])
            self.{prediction} = odds
            if not np.all(abs(label - odds)[:C] <= self.max_abs_error):
                return False\
"""
_CHECK = """\
if n_features < {least}:
            raise ValueError(f"expected at least {least} features, got {{n_features}}")"""
_CHECK_MANY = """\
least = max(self.classes, {least})
        if n_features < least:
            raise ValueError(f"expected at least {{least}} features, got {{n_features}}")"""

_WORD = re.compile(r"\b(a|b|c0|c1|c2|F|u|w)\b")


def covers(op: Op) -> bool:
    """Whether an instruction of that op can be written."""
    return not op.index or bool(op.numpy)


def write(subject: Subject) -> str:
    """The text of the module."""
    head = _HEAD.format(
        title=subject.title,
        doc=docstring(subject),
        labels=", labels 0, 1, …" if subject.classes else "",
        shape="(n, C), before any softmax" if subject.many else "(n,), before any sigmoid"
        if subject.classes else "(n,)",
        program=indented_listing(subject),
    )  # fmt: skip
    return head + core(subject, "Model")


def core(subject: Subject, name: str) -> str:
    """The functions and the class, without what a file has before them."""
    setup, predict, learn = subject.setup, subject.predict_for_both, subject.learn
    after = subject.after_predict | subject.before_learn
    text = "".join(
        [
            _method("_setup", setup, subject.needed.between),
            _method("_predict", predict, after),
            _method("_learn", learn, subject.needed.between),
        ]
    )
    kept = {*subject.interface, *loaded(setup), *loaded(predict), *loaded(learn)}
    helpers = [
        (_TOTAL, "total(" in text or subject.many),
        (_DRAWS, subject.draws),
        (_ENTRY, "changed(" in text),
    ]
    parts = [helper for helper, used in helpers if used]
    return "".join([*parts, _class(subject, name, kept), text]).rstrip("\n") + "\n"


def _class(subject: Subject, name: str, kept: Collection[Address]) -> str:
    features, label, prediction = subject.interface
    judge = _JUDGE_MANY if subject.many else _JUDGE
    check = (_CHECK_MANY if subject.many else _CHECK).format(
        least=max(1, subject.most_coordinate + 1)
    )
    zeros = "\n".join(
        f"        self.{address} = {_zeros(address, 'n_features')}" for address in ordered(kept)
    )
    return _CLASS.format(
        name=name,
        returns="(n, C) numbers, the largest for the likeliest class" if subject.many
        else "(n,) numbers; of two classes, above 0 for class 1",
        classes=subject.classes,
        check=check,
        key="\n        self.key = mix(mix(seed) ^ task)" if subject.draws else "",
        zeros=zeros,
        features=features,
        label=label,
        no_label="np.zeros(self.F)" if subject.many else "np.float64(0.0)",
        judge=judge.format(prediction=prediction),
        predicted=f"self.{prediction}[: self.classes]" if subject.many else f"self.{prediction}",
        predicted_shape="len(predicted), self.classes" if subject.many else "len(predicted)",
    )  # fmt: skip


def _zeros(address: Address, features: str) -> str:
    shape = {
        Type.SCALAR: "",
        Type.VECTOR: features,
        Type.MATRIX: f"({features}, {features})",
    }[address.type]
    return f"np.zeros({shape})" if shape else "np.float64(0.0)"


def _method(name: str, body: Sequence[Statement], after: Collection[Address]) -> str:
    lines = [f"    def {name}(self):"]
    text = [each for statement in body for each in _lines(statement)]
    if any(re.search(r"\bF\b", each) for each in text):
        lines.append("        F = self.F")
    lines += _moved(loaded(body), "{}", "self.{}")
    lines += [f"        {each}" for each in text]
    lines += _moved({s.writes for s in body} & set(after), "self.{}", "{}")
    if not body:
        lines.append("        pass")
    return "\n".join(lines) + "\n\n"


def _moved(addresses: Collection[Address], to: str, of: str) -> list[str]:
    """Assignments between the model and local names, several in a line."""
    order = ordered(addresses)
    groups = [order[start : start + 6] for start in range(0, len(order), 6)]
    return [
        f"        {', '.join(map(to.format, group))} = {', '.join(map(of.format, group))}"
        for group in groups
    ]


def _lines(statement: Statement) -> list[str]:
    """An instruction in NumPy's words."""
    instruction, op, out = statement.instruction, statement.instruction.op, statement.writes
    numbers = [_number(value) for value in instruction.constants]
    if op.entry:
        place = "".join(f"{value!r}, " for value in places_of(statement))
        return [f"{out} = changed({out}, ({place}), {numbers[-1]})"]
    operands = map(str, map(Address, op.inputs, instruction.inputs))
    values = dict(zip("ab", operands, strict=False))
    values |= {f"c{which}": number for which, number in enumerate(numbers)}
    text = _WORD.sub(lambda match: values.get(match[0], match[0]), op.numpy)
    if not op.random:
        return [f"{out} = {text}"]
    assert op.output is not None
    shape = {Type.SCALAR: "()", Type.VECTOR: "(F,)", Type.MATRIX: "(F, F)"}[op.output]
    drawn = f"u, w = draws(self.key, {shape}, {statement.draw}, self.step)"
    return [drawn, f"{out} = {text}"]


def _number(value: float) -> str:
    text = repr(float(value))
    return f"np.float64({text})" if text[-1].isdigit() else f"np.float64('{text}')"
