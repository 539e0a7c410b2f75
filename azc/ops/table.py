"""The op table: the only file where an op is declared.

To add an op, append an entry and write its test; `tests/ops/test_coverage.py` asserts that every
consumer covers it. Numbers are the paper's (Real et al. 2020, appendix: OP0 to OP64) and are what
saved programs and hashes hold, so they are never reused. Where paper and reference implementation
differ, the op does what the reference does.
"""

from __future__ import annotations

from azc.ops.model import ConstantKind, Op

__all__ = ["OPS", "TABLE_VERSION", "by_name", "by_number"]

#: Raised whenever the meaning of any op changes: hashes of other versions are void.
TABLE_VERSION = 1

_VALUE, _INDEX, _MEAN, _STD, _BOUND = (
    ConstantKind.VALUE,
    ConstantKind.INDEX,
    ConstantKind.MEAN,
    ConstantKind.STD,
    ConstantKind.BOUND,
)

# Relative weights of one iteration, measured against an addition on vectors that fit the L1 cache.
_DIV, _ROOT, _MATH, _DRAW = 4.0, 5.0, 12.0, 20.0

# NumPy spellings that more than one entry needs.
_STEP = "np.where(a > 0, 1.0, 0.0)"
_STD_ALL = "np.sqrt(total(a * a) / a.size - (total(a) / a.size) * (total(a) / a.size))"
_STD_C = "sqrt(t1 / n - (t0 / n) * (t0 / n))"
_NORMAL = "c0 + c1 * (np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * w))"
_BETWEEN = "np.where(c0 < c1, c0 + (c1 - c0) * u, c0)"

# fmt: off
OPS: tuple[Op, ...] = (
    Op(0, "noop", "NoOp()", "", "", "", "Does nothing."),

    # 1–15: scalars
    Op(1, "scalar_add", "{out} = {a} + {b}", ",->", "a + b", "a + b",
       "Sum of two scalars.", commutative=True),
    Op(2, "scalar_sub", "{out} = {a} - {b}", ",->", "a - b", "a - b",
       "Difference of two scalars."),
    Op(3, "scalar_mul", "{out} = {a} * {b}", ",->", "a * b", "a * b",
       "Product of two scalars.", commutative=True),
    Op(4, "scalar_div", "{out} = {a} / {b}", ",->", "a / b", "a / b",
       "Quotient of two scalars; x/0 is ±inf, 0/0 is NaN.", weight=_DIV),
    Op(5, "scalar_abs", "{out} = abs({a})", "->", "fabs(a)", "np.abs(a)",
       "Absolute value."),
    Op(6, "scalar_reciprocal", "{out} = 1 / {a}", "->", "1.0 / a", "1.0 / a",
       "Reciprocal; 1/0 is inf.", weight=_DIV),
    Op(7, "scalar_sin", "{out} = sin({a})", "->", "az_sin(a)", "np.sin(a)",
       "Sine of an angle in radians.", weight=_MATH),
    Op(8, "scalar_cos", "{out} = cos({a})", "->", "az_cos(a)", "np.cos(a)",
       "Cosine of an angle in radians.", weight=_MATH),
    Op(9, "scalar_tan", "{out} = tan({a})", "->", "az_tan(a)", "np.tan(a)",
       "Tangent of an angle in radians.", weight=_MATH),
    Op(10, "scalar_arcsin", "{out} = arcsin({a})", "->", "az_asin(a)", "np.arcsin(a)",
       "Inverse sine in radians; NaN outside [-1, 1].", weight=_MATH),
    Op(11, "scalar_arccos", "{out} = arccos({a})", "->", "az_acos(a)", "np.arccos(a)",
       "Inverse cosine in radians; NaN outside [-1, 1].", weight=_MATH),
    Op(12, "scalar_arctan", "{out} = arctan({a})", "->", "az_atan(a)", "np.arctan(a)",
       "Inverse tangent in radians.", weight=_MATH),
    Op(13, "scalar_exp", "{out} = exp({a})", "->", "az_exp(a)", "np.exp(a)",
       "e raised to the scalar.", weight=_MATH),
    Op(14, "scalar_log", "{out} = log({a})", "->", "az_log(a)", "np.log(a)",
       "Natural logarithm; -inf at 0, NaN below.", weight=_MATH),
    Op(15, "scalar_heaviside", "{out} = heaviside({a}, 1.0)", "->",
       "a >= 0.0 ? 1.0 : 0.0", "np.where(a >= 0, 1.0, 0.0)",
       "1 if the scalar is at least 0, else 0 (0 for NaN)."),

    # 16–38: between the types, and one operand
    Op(16, "vector_heaviside", "{out} = heaviside({a}, 1.0)", "i->i",
       "a > 0.0 ? 1.0 : 0.0", _STEP,
       "Per entry 1 if above 0, else 0; unlike the scalar op, 0 at 0."),
    Op(17, "matrix_heaviside", "{out} = heaviside({a}, 1.0)", "ij->ij",
       "a > 0.0 ? 1.0 : 0.0", _STEP,
       "Per entry 1 if above 0, else 0; unlike the scalar op, 0 at 0."),
    Op(18, "scalar_vector_mul", "{out} = {a} * {b}", ",i->i", "a * b", "a * b",
       "Scales a vector."),
    Op(19, "vector_broadcast", "{out} = bcast({a})", "->i", "a", "np.full(F, a)",
       "A vector with every entry equal to the scalar."),
    Op(20, "vector_reciprocal", "{out} = 1 / {a}", "i->i", "1.0 / a", "1.0 / a",
       "Reciprocal of each entry.", weight=_DIV),
    Op(21, "vector_norm", "{out} = norm({a})", "i->", "sqrt(t0)", "np.sqrt(total(a * a))",
       "Euclidean norm.", sums=("a * a",)),
    Op(22, "vector_abs", "{out} = abs({a})", "i->i", "fabs(a)", "np.abs(a)",
       "Absolute value of each entry."),
    Op(23, "vector_add", "{out} = {a} + {b}", "i,i->i", "a + b", "a + b",
       "Sum of two vectors.", commutative=True),
    Op(24, "vector_sub", "{out} = {a} - {b}", "i,i->i", "a - b", "a - b",
       "Difference of two vectors."),
    Op(25, "vector_mul", "{out} = {a} * {b}", "i,i->i", "a * b", "a * b",
       "Product of two vectors, per entry.", commutative=True),
    Op(26, "vector_div", "{out} = {a} / {b}", "i,i->i", "a / b", "a / b",
       "Quotient of two vectors, per entry.", weight=_DIV),
    Op(27, "dot", "{out} = dot({a}, {b})", "i,i->", "t0", "total(a * b)",
       "Inner product of two vectors.", sums=("a * b",), commutative=True),
    Op(28, "outer", "{out} = outer({a}, {b})", "i,j->ij", "a * b", "np.outer(a, b)",
       "Outer product: m[i][j] = a[i] * b[j]."),
    Op(29, "scalar_matrix_mul", "{out} = {a} * {b}", ",ij->ij", "a * b", "a * b",
       "Scales a matrix."),
    Op(30, "matrix_reciprocal", "{out} = 1 / {a}", "ij->ij", "1.0 / a", "1.0 / a",
       "Reciprocal of each entry.", weight=_DIV),
    Op(31, "matrix_vector_dot", "{out} = dot({a}, {b})", "ij,j->i", "t0",
       "total(a * b, axis=1)",
       "Matrix times vector.", sums=("a * b",)),
    Op(32, "column_broadcast", "{out} = bcast({a}, axis=0)", "i->ij", "a",
       "np.outer(a, np.ones(F))",
       "A matrix with every column equal to the vector: m[i][j] = a[i]."),
    Op(33, "row_broadcast", "{out} = bcast({a}, axis=1)", "j->ij", "a",
       "np.outer(np.ones(F), a)",
       "A matrix with every row equal to the vector: m[i][j] = a[j]."),
    Op(34, "matrix_norm", "{out} = norm({a})", "ij->", "sqrt(t0)", "np.sqrt(total(a * a))",
       "Frobenius norm.", sums=("a * a",)),
    Op(35, "column_norm", "{out} = norm({a}, axis=0)", "ij->j", "sqrt(t0)",
       "np.sqrt(total(a * a, axis=0))",
       "Euclidean norm of each column.", sums=("a * a",)),
    Op(36, "row_norm", "{out} = norm({a}, axis=1)", "ij->i", "sqrt(t0)",
       "np.sqrt(total(a * a, axis=1))",
       "Euclidean norm of each row.", sums=("a * a",)),
    Op(37, "transpose", "{out} = transpose({a})", "ji->ij", "a", "a.T",
       "Transpose of a matrix."),
    Op(38, "matrix_abs", "{out} = abs({a})", "ij->ij", "fabs(a)", "np.abs(a)",
       "Absolute value of each entry."),

    # 39–49: matrices, minima and maxima
    Op(39, "matrix_add", "{out} = {a} + {b}", "ij,ij->ij", "a + b", "a + b",
       "Sum of two matrices.", commutative=True),
    Op(40, "matrix_sub", "{out} = {a} - {b}", "ij,ij->ij", "a - b", "a - b",
       "Difference of two matrices."),
    Op(41, "matrix_mul", "{out} = {a} * {b}", "ij,ij->ij", "a * b", "a * b",
       "Product of two matrices, per entry.", commutative=True),
    Op(42, "matrix_div", "{out} = {a} / {b}", "ij,ij->ij", "a / b", "a / b",
       "Quotient of two matrices, per entry.", weight=_DIV),
    Op(43, "matmul", "{out} = matmul({a}, {b})", "ik,kj->ij", "t0",
       "total(a[:, :, None] * b[None, :, :], axis=1)",
       "Matrix product.", sums=("a * b",)),
    Op(44, "scalar_min", "{out} = minimum({a}, {b})", ",->",
       "b < a ? b : a", "np.where(b < a, b, a)",
       "Smaller of two scalars; the first on a tie or NaN."),
    Op(45, "vector_min", "{out} = minimum({a}, {b})", "i,i->i",
       "b < a ? b : a", "np.where(b < a, b, a)",
       "Smaller of each two entries; the first on a tie or NaN."),
    Op(46, "matrix_min", "{out} = minimum({a}, {b})", "ij,ij->ij",
       "a < b ? a : b", "np.where(a < b, a, b)",
       "Smaller of each two entries; unlike for vectors, the second on a tie or NaN."),
    Op(47, "scalar_max", "{out} = maximum({a}, {b})", ",->",
       "a < b ? b : a", "np.where(a < b, b, a)",
       "Larger of two scalars; the first on a tie or NaN."),
    Op(48, "vector_max", "{out} = maximum({a}, {b})", "i,i->i",
       "a < b ? b : a", "np.where(a < b, b, a)",
       "Larger of each two entries; the first on a tie or NaN."),
    Op(49, "matrix_max", "{out} = maximum({a}, {b})", "ij,ij->ij",
       "a > b ? a : b", "np.where(a > b, a, b)",
       "Larger of each two entries; unlike for vectors, the second on a tie or NaN."),

    # 50–55: statistics. std is sqrt(mean(x²) − mean(x)²) in one pass, never clamped: rounding may
    # make it NaN, as in the reference, and published programs were evolved under that.
    Op(50, "vector_mean", "{out} = mean({a})", "i->", "t0 / n", "total(a) / a.size",
       "Mean of a vector.", sums=("a",)),
    Op(51, "matrix_mean", "{out} = mean({a})", "ij->", "t0 / n", "total(a) / a.size",
       "Mean of a matrix.", sums=("a",)),
    Op(52, "row_mean", "{out} = mean({a}, axis=1)", "ij->i", "t0 / n",
       "total(a, axis=1) / F",
       "Mean of each row.", sums=("a",)),
    Op(53, "row_std", "{out} = std({a}, axis=1)", "ij->i", _STD_C,
       "np.sqrt(total(a * a, axis=1) / F - (total(a, axis=1) / F) * (total(a, axis=1) / F))",
       "Standard deviation of each row.", sums=("a", "a * a")),
    Op(54, "vector_std", "{out} = std({a})", "i->", _STD_C, _STD_ALL,
       "Standard deviation of a vector; rounding may give NaN.", sums=("a", "a * a")),
    Op(55, "matrix_std", "{out} = std({a})", "ij->", _STD_C, _STD_ALL,
       "Standard deviation of a matrix; rounding may give NaN.", sums=("a", "a * a")),

    # 56–64: constants and random numbers
    Op(56, "scalar_const", "{out} = {c0}", "->", "c0", "c0",
       "A constant.", constants=(_VALUE,)),
    Op(57, "vector_const", "{out}[{c0}] = {c1}", "->i", "c1", "c1",
       "Sets one entry of a vector: index trunc(F * f).",
       constants=(_INDEX, _VALUE), entry=True),
    Op(58, "matrix_const", "{out}[{c0}, {c1}] = {c2}", "->ij", "c2", "c2",
       "Sets one entry of a matrix: row trunc(F * f), column trunc(F * g).",
       constants=(_INDEX, _INDEX, _VALUE), entry=True),
    Op(59, "scalar_uniform", "{out} = uniform({c0}, {c1})", "->",
       "c0 < c1 ? c0 + (c1 - c0) * u : c0", _BETWEEN,
       "A uniform draw on (lo, hi); lo where lo >= hi.",
       constants=(_BOUND, _BOUND), random=True, weight=_DRAW),
    Op(60, "vector_uniform", "{out} = uniform({c0}, {c1})", "->i",
       "c0 < c1 ? c0 + (c1 - c0) * u : c0", _BETWEEN,
       "Independent uniform draws on (lo, hi).",
       constants=(_BOUND, _BOUND), random=True, weight=_DRAW),
    Op(61, "matrix_uniform", "{out} = uniform({c0}, {c1})", "->ij",
       "c0 < c1 ? c0 + (c1 - c0) * u : c0", _BETWEEN,
       "Independent uniform draws on (lo, hi).",
       constants=(_BOUND, _BOUND), random=True, weight=_DRAW),
    Op(62, "scalar_gaussian", "{out} = gaussian({c0}, {c1})", "->",
       "c0 + c1 * az_normal(u, w)", _NORMAL,
       "A normal draw with the given mean and standard deviation.",
       constants=(_MEAN, _STD), random=True, weight=3 * _DRAW),
    Op(63, "vector_gaussian", "{out} = gaussian({c0}, {c1})", "->i",
       "c0 + c1 * az_normal(u, w)", _NORMAL,
       "Independent normal draws.",
       constants=(_MEAN, _STD), random=True, weight=3 * _DRAW),
    Op(64, "matrix_gaussian", "{out} = gaussian({c0}, {c1})", "->ij",
       "c0 + c1 * az_normal(u, w)", _NORMAL,
       "Independent normal draws.",
       constants=(_MEAN, _STD), random=True, weight=3 * _DRAW),
)
# fmt: on

_BY_NAME = {op.name: op for op in OPS} | {op.paper: op for op in OPS}


def by_number(number: int) -> Op:
    """The op with the paper's number (0 to 64)."""
    return OPS[number]


def by_name(name: str) -> Op:
    """The op called `name`, or by the paper's name such as ``OP27``; KeyError if there is none."""
    return _BY_NAME[name]
