"""To Cython: a module that builds by itself, around the C of the same program."""

from __future__ import annotations

from azc.use.export.c import covers
from azc.use.export.c import write as write_c
from azc.use.export.subject import Subject

__all__ = ["covers", "write"]

_HEAD = '''\
# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c
# distutils: libraries = m
# distutils: extra_compile_args = -O3 -march=native
"""{title}: a model that learns example by example.

Build it with ``cythonize -i FILE.pyx``; then

    from FILE import Model

    model = Model(F, seed=0).fit(X, y)       # X (n, F), y (n,)
    model.predict(X)                         # {shape}

Examples are taken one after the other. All numbers are azc's to the bit.
"""
from libc.stdint cimport uint64_t

cdef extern from *:
    r"""
'''

_CLASS = '''\
    """
    ctypedef struct azc_model:
        pass
    azc_model *azc_model_new(size_t F, uint64_t seed)
    void azc_model_free(azc_model *m)
    size_t azc_model_fit(azc_model *m, const double *X, const double *y, size_t n) nogil
    void azc_model_predict_all(azc_model *m, const double *X, size_t n, double *out) nogil

import array


cdef class Model:
    """A model of examples with F features."""
    cdef azc_model *model
    cdef readonly size_t n_features
    cdef readonly uint64_t seed

    def __cinit__(self, size_t n_features, uint64_t seed=0):
        self.n_features, self.seed = n_features, seed
        self.model = azc_model_new(n_features, seed)
        if self.model == NULL:
            raise ValueError(f"expected {least} features or more, and room for them")

    def __dealloc__(self):
        azc_model_free(self.model)

    def reset(self, size_t n_features, uint64_t seed=0):
        """Begin anew."""
        cdef azc_model *made = azc_model_new(n_features, seed)
        if made == NULL:
            raise ValueError(f"expected {least} features or more, and room for them")
        azc_model_free(self.model)
        self.model, self.n_features, self.seed = made, n_features, seed
        return self

    def fit(self, X, y):
        """Begin anew, and learn each example once."""
        self.reset(self.n_features, self.seed)
        return self.partial_fit(X, y)

    def partial_fit(self, const double[:, ::1] X, const double[::1] y):
        """Learn each example once. Where an error is NaN or too large, ValueError is raised; the
        model is of no use then."""
        cdef size_t n = y.shape[0], done = 0
        if X.shape[0] != y.shape[0] or <size_t>X.shape[1] != self.n_features:
            raise ValueError(f"expected X of shape ({{n}}, {{self.n_features}})")
{check}        if n:
            with nogil:
                done = azc_model_fit(self.model, &X[0, 0], &y[0], n)
        if done < n:
            raise ValueError(f"error at example {{done}}: NaN, or too large")
        return self

    def predict(self, const double[:, ::1] X):
        """A memoryview of predictions; the model stays as it is."""
        cdef size_t n = X.shape[0]
        if <size_t>X.shape[1] != self.n_features:
            raise ValueError(f"expected X of shape (n, {{self.n_features}})")
        cdef double[::1] out = array.array("d", bytes(8 * n * {width}))
        if n:
            with nogil:
                azc_model_predict_all(self.model, &X[0, 0], n, &out[0])
        return {result}
'''

_CHECK = """\
        cdef size_t row
        for row in range(n):
            if not 0 <= y[row] < {classes}:
                raise ValueError(f"expected classes 0 to {last}, got {{y[row]:g}}")
"""


def write(subject: Subject) -> str:
    """The text of the module."""
    text = write_c(subject)
    # The program's words must not end the string that the C stands in.
    text = text.replace('"""', "'''")
    classes = subject.classes
    check = _CHECK.format(classes=classes, last=classes - 1) if subject.many else ""
    body = _CLASS.format(
        least=max(1, subject.most_coordinate + 1, classes if subject.many else 0),
        check=check,
        width=classes if subject.many else 1,
        result=f"memoryview(out).cast('B').cast('d', [n, {classes}]) if n else memoryview(out)"
        if subject.many
        else "memoryview(out)",
    )
    head = _HEAD.format(title=subject.title, shape=f"(n, {classes})" if subject.many else "(n,)")
    return head + "".join(f"    {line}".rstrip() + "\n" for line in text.splitlines()) + body
