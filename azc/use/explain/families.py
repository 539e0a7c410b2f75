"""Ops that do the same with scalars, vectors and matrices."""

from __future__ import annotations

__all__ = [
    "ADDS",
    "DIVIDES",
    "LINEAR",
    "MAXIMA",
    "MEANS",
    "MINIMA",
    "NORMS",
    "PRODUCTS",
    "RECIPROCALS",
    "SCALES",
    "STEPS",
    "SUBTRACTS",
]

ADDS = {"scalar_add", "vector_add", "matrix_add"}
SUBTRACTS = {"scalar_sub", "vector_sub", "matrix_sub"}
SCALES = {"scalar_mul", "scalar_vector_mul", "scalar_matrix_mul"}
PRODUCTS = {"scalar_mul", "vector_mul", "matrix_mul", *SCALES}
DIVIDES = {"scalar_div", "vector_div", "matrix_div"}
RECIPROCALS = {"scalar_reciprocal", "vector_reciprocal", "matrix_reciprocal"}
NORMS = {"vector_norm", "matrix_norm", "column_norm", "row_norm", "vector_std", "matrix_std",
          "row_std"}  # fmt: skip
STEPS = {"scalar_heaviside", "vector_heaviside", "matrix_heaviside"}
MAXIMA = {"scalar_max", "vector_max", "matrix_max"}
MINIMA = {"scalar_min", "vector_min", "matrix_min"}
MEANS = {"vector_mean", "matrix_mean", "row_mean"}
#: 0 where an operand is 0.
LINEAR = {*PRODUCTS, "dot", "outer", "matrix_vector_dot", "matmul"}
