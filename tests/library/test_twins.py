"""Each program against the same algorithm in NumPy, written from its mathematics.

Where an algorithm descends a loss, its twin knows the loss only: gradients are complex-step
derivatives, exact to rounding, so no twin repeats the backpropagation that it checks. Initial
weights are read off the program itself (`initial`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

import azc

SEED = 11
F = 4
TINY = 1e-200  # the complex step: its square is no number, so nothing is lost to curvature

Array = np.ndarray[Any, Any]
Values = dict[str, Array]


# ---- tasks and programs ------------------------------------------------------------------------


def regression(n: int = 150, offset: float = 1.5) -> azc.Task:
    """A bent plane with an offset: no model here fits it exactly, so errors never vanish."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((n + 40, F)) * [1.0, 0.5, 1.5, 1.0]
    y = X @ rng.standard_normal(F) + np.abs(X[:, 0]) + offset
    return azc.Task(X[:n], y[:n], X[n:], y[n:], metric="rmse", seed=SEED)


def classification(classes: int = 2, n: int = 150) -> azc.Task:
    """Overlapping clouds around one centre per class."""
    rng = np.random.default_rng(4)
    y = rng.integers(classes, size=n + 40)
    y[:classes] = y[n : n + classes] = range(classes)
    X = 1.2 * rng.standard_normal((classes, F))[y] + rng.standard_normal((n + 40, F))
    return azc.Task(X[:n], y[:n], X[n:], y[n:], metric="accuracy", seed=SEED)


REAL, BINARY, SEVERAL = regression(), classification(), classification(3)


def load(name: str, **values: float) -> azc.Program:
    """A library program with some of its params set."""
    program = azc.load(str(files("azc.library") / f"{name}.az"))
    for param in program.params:
        if param.name in values:
            body = list(getattr(program, param.function))
            constants = list(body[param.index].constants)
            constants[param.constant] = float(values.pop(param.name))
            body[param.index] = dataclasses.replace(body[param.index], constants=tuple(constants))
            program = dataclasses.replace(program, **{param.function: tuple(body)})
    assert not values, f"{name} has no param {values}"
    return program


def default(program: azc.Program, name: str) -> float:
    return next(param.default for param in program.params if param.name == name)


def initial(program: azc.Program) -> Values:
    """What Setup leaves in W and u, through the predictions of a program with the same Setup.

    On a task with F classes whose validation examples are the unit vectors, `v2 = dot(W, v0)`
    predicts the columns of W, and `v2 = u` predicts u. Both are copied at the end of Setup, since
    such tasks have labels and predictions where the program may have u; and both stay live, added
    zero times, since a draw depends on which live draw it is.
    """
    where = {name: address for address, name in program.names.items() if name in ("W", "u")}
    setup = str(dataclasses.replace(program, doc="")).partition("\ndef Predict")[0].rstrip()
    setup += "".join(
        f"\n    {'m' if name == 'W' else 'v'}900 = minimum({address}, {address})"
        for name, address in where.items()
    )
    eye = np.eye(F)
    task = azc.Task(eye, range(F), eye, range(F), metric="accuracy", seed=SEED)
    found = {}
    for name, read in (("W", "dot(m900, v0) + 0 * v900"), ("u", "0 * dot(m900, v0) + v900")):
        probe = azc.parse(f"{setup}\n\ndef Predict():\n    v2 = {read}\n")
        predictions = azc.evaluate(probe, [task], max_abs_error=1e9).predictions[0]
        found[name] = predictions.T if name == "W" else predictions[0]
    return {name: found[name] for name in where}


def agree(program: azc.Program, task: azc.Task, twin: Callable[[Array], Array]) -> None:
    """The predictions after one epoch are the twin's."""
    result = azc.evaluate(program, [task])
    expected = np.array([twin(x) for x in task.X_valid])
    assert np.ptp(expected) > 0.1, "a twin that says the same of all examples shows nothing"
    np.testing.assert_allclose(result.predictions[0], expected, rtol=1e-8, atol=1e-9)


# ---- descent of a loss of which only the value is known ----------------------------------------


def loss(task: azc.Task, output: Array, label: float) -> Array:
    """Half the squared error, or the cross-entropy of the sigmoid or the softmax."""
    if task.metric == "rmse":
        return (label - output) ** 2 / 2
    if task.classes == 2:
        output = np.stack([np.zeros_like(output), output], axis=-1)
    logits = output[..., : task.classes]
    top = logits.real.max(axis=-1)
    return top + np.log(np.exp(logits - top[..., None]).sum(axis=-1)) - logits[..., int(label)]


def gradients(function: Callable[[Values], Array], values: Values) -> Values:
    """The derivative of `function` by every entry, all complex steps at once."""
    found = {}
    for name, value in values.items():
        steps = np.eye(value.size).reshape(value.size, *value.shape)
        stepped = {other: v[None] + 0j for other, v in values.items()}
        stepped[name] = value + 1j * TINY * steps
        found[name] = (function(stepped).imag / TINY).reshape(value.shape)
    return found


def steps(
    model: Callable[[Values, Array], Array], task: azc.Task, values: Values
) -> Iterator[tuple[Values, Values]]:
    """The gradient of the loss, and of the output if it is a scalar, at each example in turn.

    Whoever iterates changes `values` in between.
    """
    for x, y in zip(task.X_train, task.y_train, strict=True):
        slope = gradients(lambda v, x=x, y=y: loss(task, model(v, x), y), values)
        scalar = task.classes <= 2
        yield slope, gradients(lambda v, x=x: model(v, x), values) if scalar else {}


def length(slope: Values) -> float:
    return float(np.sqrt(sum((g**2).sum() for g in slope.values())))


def line(v: Values, x: Array) -> Array:
    return v["w"] @ x + v["b"][..., 0] if "b" in v else v["w"] @ x


def rectified(h: Array, leak: float = 0.0) -> Array:
    """ReLU that a complex step passes through."""
    return np.where(h.real > 0, h, leak * h)


def network(v: Values, x: Array, leak: float = 0.0) -> Array:
    hidden = v["W"] @ x + v.get("c", 0)
    output = (v["u"] * rectified(hidden, leak)).sum(axis=-1)
    return output + v["b"][..., 0] if "b" in v else output


def zeros(**shapes: int | tuple[int, int]) -> Values:
    return {name: np.zeros(shape) for name, shape in shapes.items()}


def descend(
    model: Callable[[Values, Array], Array],
    task: azc.Task,
    values: Values,
    rate: Callable[[int, Values], float],
    shrink: dict[str, float] | None = None,
) -> Callable[[Array], Array]:
    """Stochastic gradient descent at `rate(t, values)`; `shrink` is the weight decay of a name."""
    for t, (slope, _) in enumerate(steps(model, task, values)):
        now = rate(t, values)
        for name in values:
            decay = (shrink or {}).get(name, 0.0) * values[name]
            values[name] = values[name] - now * (slope[name] + decay)
    return lambda x: model(values, x)


# ---- linear models -----------------------------------------------------------------------------


def test_linear() -> None:
    w = np.zeros(F)
    for x, y in zip(REAL.X_train, REAL.y_train, strict=True):
        w = w + 0.05 * (y - w @ x) * x
    agree(load("linear", lr=0.05), REAL, lambda x: w @ x)


@pytest.mark.parametrize("task", [REAL, BINARY], ids=["real", "binary"])
def test_affine(task: azc.Task) -> None:
    agree(load("affine", lr=0.05), task, descend(line, task, zeros(w=F, b=1), lambda t, v: 0.05))


@pytest.mark.parametrize("task", [REAL, BINARY], ids=["real", "binary"])
def test_logistic(task: azc.Task) -> None:
    twin = descend(line, task, zeros(w=F, b=1), lambda t, v: 0.1 * 0.99**t)
    agree(load("logistic", lr=0.1, decay=0.99), task, twin)


def test_ridge() -> None:
    twin = descend(line, REAL, zeros(w=F, b=1), lambda t, v: 0.05, {"w": 0.2})
    agree(load("ridge", lr=0.05, penalty=0.2), REAL, twin)


def test_ridge_ends_near_the_closed_form() -> None:
    from sklearn.linear_model import Ridge

    task, penalty = regression(n=4000), 0.3
    fitted = Ridge(alpha=penalty * 4000).fit(task.X_train, task.y_train)
    program = load("ridge", lr=0.003, penalty=penalty)
    predictions = azc.evaluate(program, [task]).predictions[0]
    exact, unpenalised = fitted.predict(task.X_valid), Ridge(0).fit(task.X_train, task.y_train)
    off = np.abs(predictions - exact).mean()
    assert off < 0.3 * np.abs(unpenalised.predict(task.X_valid) - exact).mean()


def test_nlms() -> None:
    w = np.zeros(F + 1)
    for x, y in zip(REAL.X_train, REAL.y_train, strict=True):
        z = np.append(x, 1.0)
        w = w + 0.7 * (y - w @ z) * z / (0.01 + z @ z)
    agree(load("nlms", step=0.7, guard=0.01), REAL, lambda x: w @ np.append(x, 1.0))


@pytest.mark.parametrize("penalty", [0.01, 5.0])
def test_least_squares(penalty: float) -> None:
    Z = np.column_stack([REAL.X_train, np.ones(len(REAL.X_train))])
    w = np.linalg.solve(Z.T @ Z + penalty * np.eye(F + 1), Z.T @ REAL.y_train)
    agree(load("least_squares", penalty=penalty), REAL, lambda x: w @ np.append(x, 1.0))


def test_momentum() -> None:
    values, velocity = zeros(w=F, b=1), zeros(w=F, b=1)
    for slope, _ in steps(line, REAL, values):
        for name in values:
            velocity[name] = 0.8 * velocity[name] - 0.01 * slope[name]
            values[name] = values[name] + velocity[name]
    agree(load("momentum", lr=0.01, keep=0.8), REAL, lambda x: line(values, x))


@pytest.mark.parametrize("task", [REAL, BINARY], ids=["real", "binary"])
def test_rmsprop(task: azc.Task) -> None:
    values, square = zeros(w=F, b=1), zeros(w=F, b=1)
    for slope, _ in steps(line, task, values):
        for name, g in slope.items():
            square[name] = 0.95 * square[name] + 0.05 * g**2
            values[name] = values[name] - 0.02 * g / (np.sqrt(square[name]) + 1e-6)
    agree(load("rmsprop", lr=0.02, keep=0.95, guard=1e-6), task, lambda x: line(values, x))


@pytest.mark.parametrize("task", [REAL, BINARY], ids=["real", "binary"])
def test_adam(task: azc.Task) -> None:
    values, mean, square = zeros(w=F, b=1), zeros(w=F, b=1), zeros(w=F, b=1)
    for t, (slope, _) in enumerate(steps(line, task, values), start=1):
        for name, g in slope.items():
            mean[name] = 0.8 * mean[name] + 0.2 * g
            square[name] = 0.99 * square[name] + 0.01 * g**2
            m, s = mean[name] / (1 - 0.8**t), square[name] / (1 - 0.99**t)
            values[name] = values[name] - 0.05 * m / (np.sqrt(s) + 1e-8)
    program = load("adam", lr=0.05, keep_mean=0.8, keep_size=0.99)
    agree(program, task, lambda x: line(values, x))


def test_normalized_gradient() -> None:
    values = zeros(w=F, b=1)
    for t, (slope, _) in enumerate(steps(line, REAL, values)):
        for name in values:
            values[name] = values[name] - 0.5 * 0.98**t * slope[name] / length(slope)
    program = load("normalized_gradient", lr=0.5, decay=0.98, guard=1e-12)
    agree(program, REAL, lambda x: line(values, x))


def test_perceptron() -> None:
    w = np.zeros(F + 1)
    for x, y in zip(BINARY.X_train, BINARY.y_train, strict=True):
        z = np.append(x, 1.0)
        if (w @ z >= 0) != (y == 1):
            w = w + z if y == 1 else w - z
    agree(load("perceptron"), BINARY, lambda x: w @ np.append(x, 1.0))


def test_averaged_perceptron() -> None:
    history = [np.zeros(F + 1)]
    for x, y in zip(BINARY.X_train, BINARY.y_train, strict=True):
        z, w = np.append(x, 1.0), history[-1]
        mistake = (w @ z >= 0) != (y == 1)
        history.append(w + (2 * y - 1) * z if mistake else w)
    mean = np.mean(history[1:], axis=0)
    agree(load("averaged_perceptron"), BINARY, lambda x: mean @ np.append(x, 1.0))


# ---- networks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("task", [REAL, BINARY], ids=["real", "binary"])
def test_network(task: azc.Task) -> None:
    program = load("network", lr=0.1)
    twin = descend(network, task, {**zeros(c=F, b=1), **initial(program)}, lambda t, v: 0.1 / F)
    agree(program, task, twin)


def test_network_nlms() -> None:
    program = load("network_nlms", lr=0.5)
    values = {**zeros(c=F, b=1), **initial(program)}
    for slope, of_output in steps(network, REAL, values):
        for name in values:
            values[name] = values[name] - 0.5 * slope[name] / length(of_output) ** 2
    agree(program, REAL, lambda x: network(values, x))


def test_network_nlms_at_full_rate_mends_the_last_example() -> None:
    """At rate 1 one step makes most of the error go, to first order all of it."""
    program = load("network_nlms", lr=1)
    once = azc.Task(REAL.X_train[:1], REAL.y_train[:1], REAL.X_train[:1], REAL.y_train[:1], seed=1)
    untrained = azc.evaluate(dataclasses.replace(program, learn=()), [once]).value[0]
    assert azc.evaluate(program, [once]).value[0] < 0.3 * untrained


def test_network_classifier() -> None:
    program = load("network_classifier", penalty=0.05)
    leak = default(program, "leak")
    rate, decay = default(program, "lr"), default(program, "decay")
    twin = descend(
        lambda v, x: network(v, x, leak),
        BINARY,
        {**zeros(c=F, b=1), **initial(program)},
        lambda t, v: rate * decay**t,
        {"W": 0.05, "u": 0.05},
    )
    agree(program, BINARY, twin)


def test_softmax() -> None:
    def model(v: Values, x: Array) -> Array:
        return v["W"] @ x + v["b"]

    twin = descend(model, SEVERAL, zeros(W=(F, F), b=F), lambda t, v: 0.05)
    agree(load("softmax", lr=0.05), SEVERAL, lambda x: twin(x)[:3])


def test_softmax_network() -> None:
    def model(v: Values, x: Array) -> Array:
        active = rectified(v["W"] @ x + v["c"])
        return (v["U"] @ active[..., None])[..., 0] + v["b"]

    program = load("softmax_network", lr=0.1, decay=0.99)
    start = {**zeros(U=(F, F), b=F, c=F), **initial(program)}
    twin = descend(model, SEVERAL, start, lambda t, v: 0.1 * 0.99**t)
    agree(program, SEVERAL, lambda x: twin(x)[:3])


# ---- what evolution found ----------------------------------------------------------------------

FIGURE_5 = """
def Setup():
  # Initialize variables.
  m1 = gaussian(-1e-10, 9e-09)    # 1st layer weights
  s3 = 4.1                        # Set learning rate
  v4 = gaussian(-0.033, 0.01)     # 2nd layer weights
def Predict(): # v0=features
  v6 = dot(m1, v0)
  v7 = maximum(0, v6)
  s1 = dot(v7, v4)
def Learn(): # v0=features, s0=label
  v3 = heaviside(v6, 1.0)
  s1 = s0 - s1
  s2 = s1 * s3
  v2 = s2 * v3
  v3 = v2 * v4
  m0 = outer(v3, v0)
  m1 = m1 + m0
  v4 = v2 + v4
"""


def test_paper_figure5_is_the_listing() -> None:
    assert load("paper_figure5") == azc.parse(FIGURE_5)


def test_paper_figure5() -> None:
    program = load("paper_figure5")
    named = dataclasses.replace(
        program,
        names={
            address: {"m1": "W", "v4": "u"}[str(address)]
            for address in program.addresses()
            if str(address) in ("m1", "v4")
        },
    )
    start = initial(named)
    W, u = start["W"], start["u"]
    for x, y in zip(BINARY.X_train, BINARY.y_train, strict=True):
        hidden = W @ x
        with np.errstate(over="ignore"):
            probability = 1 / (1 + np.exp(-u @ np.maximum(hidden, 0)))
        on = (hidden > 0).astype(float)
        change = 4.1 * (y - probability) * on
        W, u = W + np.outer(change * u, x), u + change
    agree(program, BINARY, lambda x: u @ np.maximum(W @ x, 0))


@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_bilinear_without_noise(offset: float) -> None:
    def model(v: Values, x: Array) -> Array:
        return ((v["W"] @ (x - offset)) * (x + offset)).sum(axis=-1)

    # The loss is taken at the sum, but W is what moves.
    W, total = np.zeros((F, F)), zeros(W=(F, F))
    for slope, _ in steps(model, BINARY, total):
        W = W - 0.0002 * slope["W"] / (length(slope) + 1e-6)
        total["W"] = total["W"] + W
    program = load("bilinear", rate=0.0002, guard=1e-6, low=offset, high=offset)
    agree(program, BINARY, lambda x: model(total, x))


def test_noisy_relu_without_noise() -> None:
    def model(v: Values, x: Array) -> Array:
        return (v["u"] * rectified(v["W"] @ x + 0.3)).sum(axis=-1) + v["b"][..., 0]

    program = load("noisy_relu", lr=0.1, shift=0.3, noise=0)
    twin = descend(model, BINARY, {**zeros(b=1), **initial(program)}, lambda t, v: 0.1)
    agree(program, BINARY, twin)


def test_noise_is_drawn_anew_for_every_prediction() -> None:
    X = np.ones((500, F))
    task = azc.Task(X, X[:, 0], X, X[:, 0], metric="rmse", seed=SEED)
    program = dataclasses.replace(load("noisy_relu", shift=9, noise=0.5), learn=())
    weights = initial(program)["u"]  # at a shift of 9 every unit is on, so the output is linear
    outputs = azc.evaluate(program, [task]).predictions[0]
    assert outputs.std() == pytest.approx(0.5 * np.linalg.norm(weights), rel=0.15)
    assert len(np.unique(outputs)) == 500


def test_arctan_decay() -> None:
    clocks = [np.arctan(0.5)]
    for _ in BINARY.y_train:
        clocks.append(np.arctan(clocks[-1]))
    program = load("arctan_decay", lr=0.8, start=0.5)
    start = {**zeros(b=1), **initial(program)}
    agree(program, BINARY, descend(network, BINARY, start, lambda t, v: 0.8 * clocks[t]))
    assert clocks[-1] == pytest.approx(np.sqrt(1.5 / len(clocks)), rel=0.05)


def test_mean_rate() -> None:
    program = load("mean_rate")
    start = {**zeros(b=1), **initial(program)}
    twin = descend(network, BINARY, start, lambda t, v: np.sin(abs(v["W"].mean())))
    agree(program, BINARY, twin)
