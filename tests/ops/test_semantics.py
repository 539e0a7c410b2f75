"""What docs/semantics.md says, on programs of a few lines, in every tier."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import azc

INF, NAN = math.inf, math.nan


@pytest.fixture(params=["interpreter", "reference"])
def tier(request: pytest.FixtureRequest) -> str:
    return request.param


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def function(name: str, body: str) -> str:
    """One function of a program; `body` separates its lines by semicolons."""
    return f"def {name}():\n" + "".join(f"    {line.strip()}\n" for line in body.split(";"))


def algorithm(predict: str = "pass", learn: str = "pass", setup: str = "pass") -> azc.Program:
    return azc.parse(
        function("Setup", setup) + function("Predict", predict) + function("Learn", learn)
    )


def value(tier: str, body: str, x: Any = (1.0, 2.0, 3.0), **settings: Any) -> float:
    """The prediction that `body` makes of x, told apart even where it is NaN, for which training
    would stop: NaN, and only NaN, is neither >= 0 nor <= 0."""
    task = azc.Task([x], [0.0], [x], [0.0], seed=5)
    is_number = "; s91 = 0.0; s91 = s91 - s1; s91 = heaviside(s91, 1.0); s90 = heaviside(s1, 1.0)"
    found = azc.evaluate(
        algorithm(body + is_number + "; s1 = s90 + s91"), [task], tier=tier, **settings
    )
    if found.predictions[0][0] == 0.0:
        return NAN
    settings.setdefault("max_abs_error", INF)
    return float(azc.evaluate(algorithm(body), [task], tier=tier, **settings).predictions[0][0])


def vector(tier: str, body: str, x: Any = (1.0, 2.0, 3.0), **settings: Any) -> list[float]:
    """v1 after `body`, one entry at a time."""
    show = "; v99[{}] = 1.0; s1 = dot(v1, v99)"
    return [value(tier, body + show.format(entry), x, **settings) for entry in range(len(x))]


def matrix(tier: str, body: str, x: Any = (1.0, 2.0, 3.0), **settings: Any) -> list[list[float]]:
    """m1 after `body`, row by row."""
    show = "; v98[{}] = 1.0; v1 = dot(m1, v98)"
    columns = [vector(tier, body + show.format(j), x, **settings) for j in range(len(x))]
    return np.transpose(columns).tolist()


def bits(number: float) -> bytes:
    return np.float64(number).tobytes()


def same(one: float, other: float) -> bool:
    """Equal to the bit, zeros by their sign; NaN equals NaN."""
    return bits(one) == bits(other) or (one != one and other != other)


# ---- ops ---------------------------------------------------------------------------------------

#: Lines that put a value where the tests want it.
NAN_IN = "{0} = -1.0; {0} = log({0})"


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [
        (1.0, 2.0, 1.0, 2.0),
        (2.0, 1.0, 1.0, 2.0),
        (1.0, NAN, 1.0, 1.0),
        (NAN, 1.0, NAN, NAN),
        (0.0, -0.0, 0.0, 0.0),
        (-0.0, 0.0, -0.0, -0.0),
        (-INF, INF, -INF, INF),
    ],
)
def test_minimum_maximum_keep_the_first(
    tier: str, a: float, b: float, low: float, high: float
) -> None:
    """On a tie or a NaN: scalars and vectors. Matrices keep the second."""

    def put(name: str, number: float) -> str:
        if number != number:
            return NAN_IN.format(name)
        if abs(number) == INF:
            return f"{name} = {math.copysign(0.0, number)!r}; {name} = 1 / {name}"
        return f"{name} = {number!r}"

    def check(lines: str, result: str) -> None:
        for name, expected in (("minimum", low), ("maximum", high)):
            body = lines.format(name)
            if expected == 0.0:
                # The sign of a zero shows in its reciprocal.
                inverse = value(tier, f"{body}; s1 = {result}; s1 = 1 / s1", (3.0,))
                assert inverse == math.copysign(INF, expected), name
            else:
                assert same(value(tier, f"{body}; s1 = {result}", (3.0,)), expected), name

    first, second = put("s2", a), put("s3", b)
    check(f"{first}; {second}; s4 = {{}}(s2, s3); v1 = bcast(s4)", "minimum(s4, s4)")
    vectors = f"{first}; {second}; v2 = bcast(s2); v3 = bcast(s3)"
    # norm and mean would lose the sign of zero; with one feature minimum of a scalar is no op on
    # vectors, but a product with one is: 1 * x.
    entry = "v9 = bcast(s9); s1 = dot(v8, v9)"
    lines = f"{vectors}; s9 = 1.0; v8 = {{}}(v2, v3); {entry}"
    check(lines, "minimum(s1, s1)")
    grids = f"{vectors}; m2 = bcast(v2, axis=0); m3 = bcast(v3, axis=0)"
    lines = f"{grids}; s9 = 1.0; v9 = bcast(s9); m8 = {{}}(m3, m2); v8 = dot(m8, v9); {entry}"
    check(lines, "minimum(s1, s1)")


def test_minimum_of_a_number_and_nan(tier: str) -> None:
    """The consequence most easily lost: 1 for scalars and vectors, NaN for matrices."""
    both = "s2 = 1.0; " + NAN_IN.format("s3") + "; v2 = bcast(s2); v3 = bcast(s3); "
    assert value(tier, both + "s1 = minimum(s2, s3)") == 1.0
    assert value(tier, both + "v4 = minimum(v2, v3); s1 = mean(v4)") == 1.0
    grids = "m2 = bcast(v2, axis=0); m3 = bcast(v3, axis=0); "
    assert math.isnan(value(tier, both + grids + "m4 = minimum(m2, m3); s1 = mean(m4)"))
    assert value(tier, both + grids + "m4 = minimum(m3, m2); s1 = mean(m4)") == 1.0


@pytest.mark.parametrize(
    ("number", "scalar", "entry"),
    [("0.0", 1, 0), ("-0.0", 1, 0), ("5e-324", 1, 1), ("-5e-324", 0, 0), ("nan", 0, 0)],
)
def test_heaviside(tier: str, number: str, scalar: int, entry: int) -> None:
    """At zero 1 for a scalar and 0 for an entry; NaN gives 0 in both."""
    put = NAN_IN.format("s2") if number == "nan" else f"s2 = {number}"
    assert value(tier, put + "; s1 = heaviside(s2, 1.0)") == scalar
    assert value(tier, put + "; v2 = bcast(s2); v3 = heaviside(v2, 1.0); s1 = mean(v3)") == entry
    grid = "; v2 = bcast(s2); m2 = bcast(v2, axis=0); m3 = heaviside(m2, 1.0); s1 = mean(m3)"
    assert value(tier, put + grid) == entry


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("s2 = 0.0; s1 = 1 / s2", INF),
        ("s2 = -0.0; s1 = 1 / s2", -INF),
        ("s2 = 0.0; s1 = s2 / s2", NAN),
        ("s2 = -3.0; s3 = 0.0; s1 = s2 / s3", -INF),
        ("s2 = 0.0; s1 = log(s2)", -INF),
        ("s2 = -1.0; s1 = log(s2)", NAN),
        ("s2 = 1.5; s1 = arcsin(s2)", NAN),
        ("s2 = -1.5; s1 = arccos(s2)", NAN),
        ("s2 = 1000.0; s1 = exp(s2)", INF),
        ("s2 = -1000.0; s1 = exp(s2)", 0.0),
        ("s2 = 1e308; s1 = s2 + s2", INF),
        ("s2 = -0.0; s1 = abs(s2)", 0.0),
        ("v1 = 1 / v0; s1 = mean(v1)", (1.0 + 0.5 + 1.0 / 3.0) / 3.0),
    ],
)
def test_arithmetic(tier: str, body: str, expected: float) -> None:
    assert same(value(tier, body), expected)


# 0.1 three times: the mean of the squares comes out below the square of the mean.
@pytest.mark.parametrize(("number", "expected"), [(0.1, NAN), (0.5, 0.0)])
def test_std_of_equal_values(tier: str, number: float, expected: float) -> None:
    """One pass, not clamped: rounding may leave less than nothing under the root."""
    mean = ((number + number) + number) / 3.0
    square = ((number * number + number * number) + number * number) / 3.0
    assert math.isnan(expected) == (square - mean * mean < 0.0)
    body = f"s2 = {number}; v2 = bcast(s2); "
    assert same(value(tier, body + "s1 = std(v2)"), expected)
    body += "m2 = bcast(v2, axis=0); "
    assert same(value(tier, body + "v1 = std(m2, axis=1); s1 = mean(v1)"), expected)


M = "m2[0, 0] = 1.0; m2[0, 1] = 2.0; m2[1, 0] = 3.0; m2[1, 1] = 5.0; "


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("v1 = dot(m2, v0)", [1 * 7 + 2 * 11, 3 * 7 + 5 * 11]),
        ("v1 = norm(m2, axis=0)", [math.sqrt(10), math.sqrt(29)]),
        ("v1 = norm(m2, axis=1)", [math.sqrt(5), math.sqrt(34)]),
        ("v1 = mean(m2, axis=1)", [1.5, 4.0]),
        ("v1 = std(m2, axis=1)", [0.5, 1.0]),
        ("m1 = transpose(m2)", [[1, 3], [2, 5]]),
        ("m1 = matmul(m2, m2)", [[7, 12], [18, 31]]),
        ("m1 = m2 * m2", [[1, 4], [9, 25]]),
        ("m1 = bcast(v0, axis=0)", [[7, 7], [11, 11]]),
        ("m1 = bcast(v0, axis=1)", [[7, 11], [7, 11]]),
        ("m3 = transpose(m2); m1 = m2 - m3", [[0, -1], [1, 0]]),
        ("v2[0] = 1.0; v2[1] = 2.0; m1 = outer(v0, v2)", [[7, 14], [11, 22]]),
    ],
)
def test_rows_and_columns(tier: str, body: str, expected: Any) -> None:
    """The first index is the row."""
    show = matrix if body.startswith("m") or "m1" in body else vector
    np.testing.assert_allclose(show(tier, M + body, (7.0, 11.0)), expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("index", "entry"), [("0.0", 0), ("0.33", 0), ("0.34", 1), ("0.999", 2), ("0", 0), ("2", 2)]
)
def test_entry_index(tier: str, index: str, entry: int) -> None:
    """A fraction f means entry trunc(F f), a whole number itself; other entries stay."""
    expected = [7.0, 7.0, 7.0]
    expected[entry] = 2.0
    assert vector(tier, f"s2 = 7.0; v1 = bcast(s2); v1[{index}] = 2.0") == expected


@pytest.mark.parametrize(
    ("aliased", "apart"),
    [
        ("v1 = dot(m1, v1)", "v1 = dot(m2, v2)"),
        ("m1 = matmul(m1, m1)", "m1 = matmul(m2, m2)"),
        ("m1 = transpose(m1)", "m1 = transpose(m2)"),
        ("v1 = v1 * v1", "v1 = v2 * v2"),
        ("s2 = norm(v1); v1 = s2 * v1", "s2 = norm(v2); v1 = s2 * v2"),
        ("v1 = norm(m1, axis=0); m1 = outer(v1, v1)", "v1 = norm(m2, axis=0); m1 = outer(v1, v1)"),
        ("m3 = matmul(m1, m1); m1 = m3 + m1", "m3 = matmul(m2, m2); m1 = m3 + m2"),
    ],
)
def test_aliasing(tier: str, aliased: str, apart: str) -> None:
    """An op reads all of its operands before it writes."""
    x = tuple(range(1, 12))
    fill = "v1 = v0 * v0; v2 = v0 * v0; m1 = outer(v0, v1); m2 = outer(v0, v1); "
    show = "; v3 = mean(m1, axis=1); v4 = v0 * v3; v5 = v1 + v4; s1 = dot(v5, v0)"
    assert value(tier, fill + aliased + show, x) == value(tier, fill + apart + show, x)


def test_order_of_sums(tier: str) -> None:
    """Entry e goes to partial sum e mod 8, so the first and the ninth meet."""
    x = (1e16, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -1e16)
    assert sum(x) == 0.0 or sum(x) != 7.0
    assert value(tier, "s2 = 1.0; v1 = bcast(s2); s1 = dot(v0, v1)", x) == 7.0
    # ((0+4)+(2+6)) + ((1+5)+(3+7))
    x = (1.0, 1e16, 1.0, 0.0, -1.0, -1e16, 3.0, 0.0)
    assert value(tier, "s2 = 8.0; s3 = mean(v0); s1 = s2 * s3", x) == 4.0


# ---- evaluation --------------------------------------------------------------------------------

X2 = [[1.0], [1.0]]


def test_empty_predict_predicts_what_learn_left(tier: str) -> None:
    task = azc.Task([[1.0]] * 3, [4.0, 5.0, 6.0], X2, [6.0, 7.0], seed=0)
    result = azc.evaluate(algorithm(learn="s2 = 0.0; s1 = s0 + s2"), [task], tier=tier)
    assert result.predictions[0].tolist() == [6.0, 6.0]
    assert result.value[0] == pytest.approx(math.sqrt(0.5))


def test_predict_sees_its_sigmoid_in_training_and_itself_in_validation(tier: str) -> None:
    task = azc.Task(X2, [0, 1], X2, [0, 1], metric="accuracy", seed=0)
    result = azc.evaluate(algorithm("s2 = 0.5; s1 = s1 + s2"), [task], tier=tier)
    trained = sigmoid(sigmoid(0.5) + 0.5)
    expected = [trained + 0.5, trained + 1.0]
    assert result.predictions[0].tolist() == pytest.approx(expected, rel=1e-14)


def test_learn_sees_the_sigmoid(tier: str) -> None:
    task = azc.Task([[1.0]], [1], [[1.0]], [1], metric="accuracy", seed=0)
    program = algorithm("s1 = s3 + s2", setup="s2 = 2.0", learn="s3 = s1 - s2")
    result = azc.evaluate(program, [task], tier=tier)
    assert result.predictions[0][0] == pytest.approx(sigmoid(2.0))


def test_features_and_label_are_set_before_each_call(tier: str) -> None:
    """What is written to v0 and s0 lasts to the end of the call; in Predict the label is 0."""
    task = azc.Task([[2.0]], [3.0], [[5.0]], [0.0], seed=0)
    learn = "s3 = norm(v0); s4 = s0 * s3; s0 = 9.0; v0 = s0 * v0"
    predict = "s2 = norm(v0); s3 = 100.0; s5 = s0 * s3; s1 = s2 + s4; s1 = s1 + s5; v0 = s3 * v0"
    result = azc.evaluate(algorithm(predict, learn), [task], tier=tier)
    assert result.predictions[0].tolist() == [5.0 + 3.0 * 2.0]


def test_memory_lasts_through_an_evaluation(tier: str) -> None:
    """Setup runs once; counters in Predict and Learn run on through epochs and validations."""
    task = azc.Task([[1.0]] * 3, [0.0] * 3, X2, [0.0] * 2, seed=0)
    program = algorithm(
        "s2 = s2 + s3; s1 = s2 + s4", "s4 = s4 + s5", "s2 = s2 + s6; s3 = 1.0; s5 = 0.01"
    )
    result = azc.evaluate(program, [task], tier=tier, epochs=2)
    assert result.predictions[0].tolist() == pytest.approx([9.06, 10.06])
    again = azc.evaluate(program, [task], tier=tier, epochs=2)
    assert again.predictions[0].tolist() == result.predictions[0].tolist()


@pytest.mark.parametrize(("error", "fitness"), [(0.5, 0.704832765), (1, 0.5), (100, 0.006365986)])
def test_fitness_of_an_error(tier: str, error: float, fitness: float) -> None:
    task = azc.Task([[1.0]], [error], X2, [error, -error], seed=0)
    result = azc.evaluate(algorithm(), [task], tier=tier)
    assert result.fitness[0] == pytest.approx(fitness, abs=5e-10)
    assert result.value[0] == error


def test_best_epoch_counts(tier: str) -> None:
    """Predictions move away from the label by 1 an epoch, until training stops for good."""
    task = azc.Task([[1.0]], [0.0], [[1.0]], [0.0], seed=0)
    program = algorithm("s1 = s2 + s4", "s2 = s2 + s3", "s3 = 1.0")
    result = azc.evaluate(program, [task], tier=tier, epochs=9, max_abs_error=3.0)
    assert result.fitness[0] == 0.5
    assert result.value[0] == 1.0
    # The fourth epoch's training still passes (3 <= 3), its validation does not.
    assert np.isnan(result.predictions[0]).all() or result.predictions[0][0] == 4.0


@pytest.mark.parametrize(("limit", "fitness"), [(2.0, True), (1.999, False)])
def test_training_stops_above_the_limit(tier: str, limit: float, fitness: bool) -> None:
    """An error equal to the limit passes. Where epoch 1 stops, fitness is 0, predictions NaN."""
    task = azc.Task([[1.0]], [2.0], [[1.0]], [0.0], seed=0)
    result = azc.evaluate(algorithm(), [task], tier=tier, max_abs_error=limit)
    assert (result.fitness[0] == 1.0) == fitness
    assert np.isnan(result.predictions[0][0]) == (not fitness)
    assert result.value[0] == (0.0 if fitness else INF)


def test_validation_stops_above_the_limit(tier: str) -> None:
    task = azc.Task([[1.0]], [0.0], X2 + X2, [0.0, 200.0, 0.0, 0.0], seed=0)
    result = azc.evaluate(algorithm(), [task], tier=tier)
    assert result.fitness[0] == 0.0
    assert result.value[0] == INF


def test_nan_stops_training(tier: str) -> None:
    task = azc.Task([[1.0]], [0.0], [[1.0]], [0.0], seed=0)
    program = algorithm(NAN_IN.format("s1"))
    assert azc.evaluate(program, [task], tier=tier, max_abs_error=INF).fitness[0] == 0.0


def test_a_nan_logit_is_class_0(tier: str) -> None:
    """So is a logit of 0, and one so small that its sigmoid rounds to 1/2."""
    predict = "s2 = mean(v0); s1 = log(s2)"
    task = azc.Task([[2.0]], [0], [[-1.0], [1.0], [1.5]], [0, 0, 1], metric="accuracy", seed=0)
    assert azc.evaluate(algorithm(predict), [task], tier=tier).fitness[0] == 1.0
    task = azc.Task([[1.0]], [0], [[1e-17], [1e-15]], [0, 1], metric="accuracy", seed=0)
    assert azc.evaluate(algorithm("s1 = mean(v0)"), [task], tier=tier).fitness[0] == 1.0


# ---- more than two classes ---------------------------------------------------------------------

EYE = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]


def classes(y_train: list[int], X_valid: Any, y_valid: list[int]) -> azc.Task:
    X_train = [EYE[y] for y in y_train]
    return azc.Task(X_train, y_train, X_valid, y_valid, metric="accuracy", classes=3, seed=0)


def test_classes_tie(tier: str) -> None:
    """The last of the largest entries wins; entries from C on do not count."""
    X = [[5, 5, 1, 9], [5, 1, 5, 9], [1, 5, 5, 9], [5, 5, 5, 9], [5, 1, 1, 9]]
    task = classes([0], np.array(X, float), [1, 2, 2, 2, 0])
    program = algorithm("s2 = 1.0; v2 = s2 * v0")
    assert azc.evaluate(program, [task], tier=tier).fitness[0] == 1.0


def test_classes_nan(tier: str) -> None:
    """A NaN never wins, except that the first entry keeps its place if it is one."""
    # v2 = x / x: NaN where the feature is 0, else 1.
    task = classes([0], [[1, 1, 0, 1], [1, 0, 0, 1], [0, 1, 1, 1], [1, 0, 1, 1]], [1, 0, 0, 2])
    program = algorithm("v3 = v0 / v0; v2 = v3 - v4", setup="s2 = 0.0; v4 = bcast(s2)")
    # Training on NaN stops: train on an example without a zero.
    task = azc.Task(
        [[1.0, 1.0, 1.0, 1.0]],
        [0],
        task.X_valid,
        task.y_valid,
        metric="accuracy",
        classes=3,
        seed=0,
    )
    assert azc.evaluate(program, [task], tier=tier).fitness[0] == 1.0


def test_classes_learn_sees_softmax_and_one_hot(tier: str) -> None:
    """Of the first C entries; the others stay as Predict left them."""
    task = classes([1], [[1.0, 2.0, 3.0, 4.0]], [2])
    predict = "s2 = 0.0; v2 = v0 + v3"
    # v3 gathers the softmax of (0, 1, 0) and, tenfold, the label.
    learn = "s3 = 10.0; v4 = s3 * v1; v3 = v2 + v4"
    result = azc.evaluate(algorithm(predict, learn), [task], tier=tier)
    odds = np.exp([0.0, 1.0, 0.0])
    expected = odds / odds.sum() + [1.0, 12.0, 3.0]
    assert result.predictions[0].shape == (1, 3)
    np.testing.assert_allclose(result.predictions[0][0], expected, rtol=1e-14)


def test_classes_label_is_hidden_from_predict(tier: str) -> None:
    task = classes([0, 1], np.array(EYE), [0, 0, 0])
    program = algorithm("v2 = v1 + v3", "v4 = v1 + v3")
    result = azc.evaluate(program, [task], tier=tier)
    assert result.predictions[0].tolist() == [[0.0] * 3] * 3


# ---- random numbers ----------------------------------------------------------------------------


def draws(tier: str, predict: str, seed: int = 0, key: int = 1, epochs: int = 1) -> list[float]:
    """Predictions of `predict` on five equal validation examples."""
    task = azc.Task([[1.0, 1.0]] * 2, [0.0] * 2, [[1.0, 1.0]] * 5, [0.0] * 5, seed=key)
    program = algorithm(predict)
    return (
        azc.evaluate(program, [task], tier=tier, seed=seed, epochs=epochs).predictions[0].tolist()
    )


@pytest.mark.parametrize("draw", ["uniform(-1.0, 1.0)", "gaussian(0.0, 1.0)"])
def test_a_draw_depends_on_where_it_is_made(tier: str, draw: str) -> None:
    """On seed, task, step, live instruction and entry, and on nothing else."""
    one = draws(tier, f"s1 = {draw}")
    assert one == draws(tier, f"s1 = {draw}")
    assert len(set(one)) == 5
    assert one == draws(tier, f"s5 = {draw}; v5 = {draw}; s6 = sin(s5); s1 = {draw}")
    assert not set(one) & set(draws(tier, f"s1 = {draw}", seed=1))
    assert not set(one) & set(draws(tier, f"s1 = {draw}", key=2))
    assert not set(one) & set(draws(tier, f"s1 = {draw}", epochs=2))
    two = draws(tier, f"s2 = {draw}; s3 = {draw}; s1 = s3 - s2")
    assert 0.0 not in two
    entries = draws(tier, f"v1 = {draw}; v2[1] = 1.0; v3[0] = 1.0; v4 = v3 - v2; s1 = dot(v1, v4)")
    assert 0.0 not in entries


def test_random_numbers_of_one_task_do_not_depend_on_the_others(tier: str) -> None:
    rng = np.random.default_rng(0)
    tasks = [
        azc.Task(rng.random((3, 2)), rng.random(3), rng.random((4, 2)), rng.random(4), seed=key)
        for key in range(5)
    ]
    program = algorithm("v1 = gaussian(0.0, 1.0); s1 = dot(v0, v1)")
    together = azc.evaluate(program, tasks, tier=tier, seed=9)
    for number, task in enumerate(tasks):
        alone = azc.evaluate(program, [task], tier=tier, seed=9)
        assert alone.predictions[0].tolist() == together.predictions[number].tolist()


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        ("uniform(0.5, 0.5)", 0.5),
        ("uniform(0.7, 0.2)", 0.7),
        ("gaussian(0.3, 0.0)", 0.3),
    ],
)
def test_degenerate_draws(tier: str, draw: str, expected: float) -> None:
    assert draws(tier, f"s1 = {draw}") == [expected] * 5
    assert draws(tier, f"v1 = {draw}; s1 = norm(v1)") == pytest.approx([expected * 2**0.5] * 5)


def test_distributions(tier: str) -> None:
    """10 000 entries of a matrix: on the open interval, moments as they should be."""
    task = azc.Task(np.ones((1, 100)), [0.0], np.ones((1, 100)), [0.0], seed=4)

    def show(body: str) -> float:
        return float(azc.evaluate(algorithm(body), [task], tier=tier).predictions[0][0])

    assert show("m1 = uniform(2.0, 4.0); s1 = mean(m1)") == pytest.approx(3.0, abs=0.02)
    assert show("m1 = uniform(2.0, 4.0); s1 = std(m1)") == pytest.approx(3**-0.5, abs=0.02)
    assert show("m1 = gaussian(1.0, 2.0); s1 = mean(m1)") == pytest.approx(1.0, abs=0.08)
    assert show("m1 = gaussian(1.0, 2.0); s1 = std(m1)") == pytest.approx(2.0, abs=0.08)
    # Nothing on the borders: 1 / (x - 2) and 1 / (4 - x) stay finite.
    inside = "m1 = uniform(0.0, 1.0); m2 = 1 / m1; s1 = mean(m2); s1 = 1 / s1"
    assert 0.0 < show(inside) < 1.0


def test_later_epochs_are_shuffled(tier: str) -> None:
    """Natural order in epoch 1, then another in each epoch, every example once, by the seed."""
    n = 6
    task = azc.Task([[1.0]] * n, np.arange(n, dtype=float), [[1.0]], [0.0], seed=0)
    # s2 gathers the labels as digits to base 10.
    program = algorithm("s1 = s2 + s4", "s2 = s2 * s3; s2 = s2 + s0", "s3 = 10.0")

    def order(epochs: int, seed: int) -> str:
        result = azc.evaluate(
            program, [task], tier=tier, epochs=epochs, seed=seed, max_abs_error=INF
        )
        return f"{int(result.predictions[0][0]):0{n * epochs}d}"[-n:]

    assert order(1, 0) == order(1, 1) == "012345"
    second = order(2, 0)
    assert sorted(second) == sorted("012345")
    assert len({second, order(2, 1), order(2, 2), "012345"}) == 4


def test_dead_code_changes_nothing(tier: str) -> None:
    """Instructions that cannot reach the prediction, NaN and infinity among them."""
    rng = np.random.default_rng(1)
    task = azc.Task(rng.random((20, 3)), rng.random(20), rng.random((9, 3)), rng.random(9), seed=0)
    predict, learn = "s1 = dot(v0, v1)", "s2 = s0 - s1; v2 = s2 * v0; v1 = v1 + v2"
    dead = "; s7 = 1 / s8; s7 = s7 - s7; v7 = gaussian(0.0, 1.0); m7 = outer(v7, v7)"
    one = azc.evaluate(algorithm(predict, learn), [task], tier=tier, epochs=3)
    other = azc.evaluate(algorithm(predict + dead, learn + dead), [task], tier=tier, epochs=3)
    assert one.predictions[0].tobytes() == other.predictions[0].tobytes()
    assert one.fitness.tobytes() == other.fitness.tobytes()


def test_mean_and_upper_median() -> None:
    tasks = [azc.Task([[1.0]], [0.0], [[1.0]], [y], seed=0) for y in (0.0, 1.0, 0.0, 1.0)]
    result = azc.evaluate(algorithm(), tasks)
    assert result.fitness.tolist() == [1.0, 0.5, 1.0, 0.5]
    assert (result.mean, result.median) == (0.75, 1.0)
