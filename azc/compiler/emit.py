"""Emits Cython: one function per structure, all in one module without Python objects inside.

    def Predict():                      for i in range(16):
        v4 = dot(m0, v0)       ->           v4_r = total_ab(m0 + i * 16, v0, 16)
        v4 = v4 + v1                        v4_r = v4_r + v1[i]
                                            v4[i] = v4_r

Addresses keep their names. What `vec`, `total_ab`, `judge` and so on are is said in
`runtime/native.h`. Nothing of a program's text gets here but its ops and addresses: constants are
arguments, `k[0]`, `k[1]`, … .
"""

from __future__ import annotations

from collections.abc import Sequence

from azc.compiler.function import Function
from azc.compiler.structure import LANES, Structure
from azc.ops import OPS
from azc.ops.emitted import argument_names, is_function, is_product, total_name

__all__ = ["emit"]

_HEAD = """\
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False, nonecheck=False, binding=False, auto_pickle=False
# Emitted by azc {version}, {layout} layout; the functions used are in azc/runtime/native.h.
cdef extern from "Python.h":
    object PyCapsule_New(void *, const char *, void *)
cdef extern from *:
    '''
    #include "native.h"{sums}
    '''
cdef extern from "native.h" nogil:
    ctypedef long long int64_t
    ctypedef double vec
    ctypedef struct az_partial:
        pass
    ctypedef struct az_call:
        int mode
        int64_t first, count
        const double *x
        const double *y
        double *memory
        int64_t chunks, span
        const double *constants
        const int64_t *places
        double *bad
        double *predictions
    ctypedef struct az_native:
        pass
    ctypedef struct az_module:
        int64_t version, count
        const az_native *program
    int64_t AZ_NATIVE_VERSION
    ctypedef void (*az_function)(const az_call *) noexcept nogil
    az_native az_program(
        az_function, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t) noexcept
    int is_setup "az_is_setup"(const az_call *) noexcept
    int64_t az_row(const az_call *, int64_t) noexcept
    vec spread "az_spread"(double) noexcept
    void copy "az_copy"(vec *, const vec *, int64_t) noexcept
    void zero "az_zero"(vec *, int64_t) noexcept
    void load "az_load"(vec *, const double *, int64_t) noexcept
    void store "az_store"(double *, const vec *, int64_t) noexcept
    void clear "az_clear"(az_partial *) noexcept
    void add "az_add"(az_partial *, int64_t, vec) noexcept
    double partial_total "az_total"(const az_partial *) noexcept
    {number} judge "az_{layout}_judge"(const az_call *, int64_t, {number}, {number} *) noexcept
    void judge_classes "az_{layout}_judge_classes"(const az_call *, int64_t, vec *) noexcept
    void set_classes "az_{layout}_set_classes"(const az_call *, int64_t, vec *, int64_t) noexcept
    void keep_classes "az_{layout}_keep_classes"(const az_call *, int64_t, const vec *) noexcept
    {number} scalar_kernel "az_{layout}_scalar"(
        const az_call *, int64_t, int, int64_t, {number}, {number}, int64_t, int64_t) noexcept
    void kernel "az_{layout}_kernel"(
        const az_call *, int64_t, int, int64_t, vec *, const vec *, const vec *, int64_t,
        int64_t) noexcept
    void draw "az_{layout}_draw"(
        const az_call *, int64_t, int, int64_t, vec *, {number}, {number}, int64_t,
        int64_t) noexcept
"""


def emit(structures: Sequence[Structure], vector: int) -> str:
    """The text of a Cython module with a function for each of `structures`, all of one layout, for
    a machine whose registers hold `vector` doubles."""
    layouts = {structure.layout for structure in structures}
    assert len(layouts) == 1, "expected structures of one layout"
    functions = [Function(s, number, vector) for number, s in enumerate(structures)]
    texts = [function.text for function in functions]
    counts = {count for function in functions for count in function.counts}
    return "".join([_head(layouts.pop(), sorted(counts)), *texts, _table(functions)])


def _head(layout: str, counts: Sequence[int]) -> str:
    """Declarations; sums are written out for `counts` of entries."""
    from azc.version import VERSION

    number = "vec" if layout == LANES else "double"
    each = f"AZ_EACH_TOTAL(AZ_{layout.upper()}_TOTAL"
    sums = "".join(f"\n    {each}, {count})" for count in counts)
    lines = [_HEAD.format(version=VERSION, layout=layout, number=number, sums=sums)]
    for name in sorted({total_name(e) for op in OPS for e in op.sums}):
        signature = "(const vec *, const vec *, int64_t) noexcept"
        lines.append(f'    {number} {name} "az_{layout}_{name}"{signature}\n')
        for count in counts:
            signature = "(const vec *, const vec *) noexcept"
            lines.append(f'    {number} {name}_{count} "az_{layout}_{name}_{count}"{signature}\n')
    for op in OPS:
        if is_product(op):
            signature = "(vec *, const vec *, const vec *, int64_t) noexcept"
            lines.append(f'    void {op.name} "az_{layout}_{op.name}"{signature}\n')
        elif is_function(op):
            types = ("double" if name == "n" else "vec" for name in argument_names(op))
            lines.append(f'    vec {op.name} "az_{op.name}"({", ".join(types)}) noexcept\n')
    return "".join(lines)


def _table(functions: Sequence[Function]) -> str:
    """What the runtime finds in the module, under the name `programs`."""
    count = len(functions)
    lines = [f"\n\ncdef az_native table[{count}]", "cdef az_module programs_of_module"]
    for function in functions:
        sizes = ", ".join(map(str, function.sizes))
        number = function.number
        lines.append(f"table[{number}] = az_program(program_{number}, {sizes})")
    lines += [
        "programs_of_module.version = AZ_NATIVE_VERSION",
        f"programs_of_module.count = {count}",
        "programs_of_module.program = table",
        'programs = PyCapsule_New(&programs_of_module, "azc.native", NULL)',
    ]
    return "\n".join(lines) + "\n"
