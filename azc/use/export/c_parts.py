"""What an exported C file holds beside the program: vectors, sums, mathematical functions, draws.

Each part is taken in where the program's text names what it defines.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

__all__ = ["parts_for"]

_VECTORS = """\
/* ---- eight numbers at a time ---- */

typedef double az_v8 __attribute__((vector_size(64), aligned(8), may_alias));
typedef int64_t az_m8 __attribute__((vector_size(64), aligned(8), may_alias));

#define AZ_INLINE static inline __attribute__((always_inline, unused))
#define AZ_AT(p) (*(az_v8 *)(p))
#define AZ_FROM(p) (*(const az_v8 *)(p))
#define AZ_ALL(x) ((az_v8){(x), (x), (x), (x), (x), (x), (x), (x)})
#define AZ_ABS(x) ((az_v8)((az_m8)(x) & INT64_MAX))
#define AZ_PICK(condition, yes, no) \\
    ((az_v8)(((az_m8)(yes) & (az_m8)(condition)) | ((az_m8)(no) & ~(az_m8)(condition))))
"""

_LOCALS = """\
/* Vectors while examples are gone through: local where their size is known, so that they may stay
 * in registers; otherwise where the model has them. AZ_VECTOR: what holds nothing from one example
 * to the next; AZ_HELD: what does, and AZ_HOLD puts it back. */
#if AZC_FEATURES > 0 && AZC_FEATURES <= 256
#if AZC_FEATURES % 8 == 0
#define AZ_START
#else
#define AZ_START = {{0.0}} /* what fills the last eight */
#endif
#define AZ_VECTOR(name)                              \\
    az_v8 name##_8[(AZC_FEATURES + 7) / 8] AZ_START; \\
    double *const name = (double *)name##_8
#define AZ_HELD(name)                             \\
    az_v8 name##_8[(AZC_FEATURES + 7) / 8];       \\
    memcpy(name##_8, m->name, sizeof name##_8);   \\
    double *const name = (double *)name##_8
#define AZ_HOLD(name) memcpy(m->name, name##_8, sizeof name##_8)
#else
#define AZ_VECTOR(name) double *const restrict name = m->name
#define AZ_HELD(name) AZ_VECTOR(name)
#define AZ_HOLD(name)
#endif
"""

_GIVEN = """\
/* An example's features: as they stand where their number is a multiple of eight, otherwise copied,
 * with zeros after them. */
#if AZC_FEATURES > 0 && AZC_FEATURES % 8 == 0
#define AZ_GIVEN(name, x) const double *const name = x
#elif AZC_FEATURES > 0 && AZC_FEATURES <= 256
#define AZ_GIVEN(name, x)                     \\
    az_v8 name##_8[(AZC_FEATURES + 7) / 8];   \\
    const double *const name = az_filled((double *)name##_8, x, F)
#else
#define AZ_GIVEN(name, x) const double *const restrict name = F % 8 ? az_filled(m->name, x, F) : x
#endif

#ifdef __AVX512F__
#include <immintrin.h>
#endif

AZ_INLINE const double *az_filled(double *to, const double *x, size_t F)
{
    const size_t e = F / 8 * 8;
    for (size_t i = 0; i < e; i += 8)
        AZ_AT(to + i) = AZ_FROM(x + i);
    /* Written as eight: they are read so, and the processor would wait for parts to be joined. */
#ifdef __AVX512F__
    AZ_AT(to + e) = (az_v8)_mm512_maskz_loadu_pd((__mmask8)((1u << F % 8) - 1), x + e);
#else
    az_v8 last = AZ_ALL(0.0);
    memcpy(&last, x + e, F % 8 * sizeof(double));
    AZ_AT(to + e) = last;
#endif
    return to;
}
"""

_SUMS = """\
/* ---- sums ---- */

/* Entry e is added to partial sum e mod 8, and the eight are added as this says: always the same
 * order, so always the same bits. -0.0 adds nothing. */
#define AZ_TREE(s0, s1, s2, s3, s4, s5, s6, s7) \\
    ((((s0) + (s4)) + ((s2) + (s6))) + (((s1) + (s5)) + ((s3) + (s7))))
#define AZ_NONE AZ_ALL(-0.0)
#if defined(__AVX512F__) && (defined(__clang__) || __GNUC__ >= 12)
#define AZ_SHUFFLES 1
#define AZ_MIX __builtin_shufflevector
#else
#define AZ_SHUFFLES 0
#endif

AZ_INLINE double az_fold(const az_v8 *s)
{
#if AZ_SHUFFLES
    const az_v8 x = AZ_MIX(*s, *s, 4, 5, 6, 7, 0, 1, 2, 3) + *s;
    const az_v8 y = AZ_MIX(x, x, 2, 3, 0, 1, 6, 7, 4, 5) + x;
    return y[0] + y[1];
#else
    const az_v8 x = *s;
    return AZ_TREE(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]);
#endif
}

/* All ones in the first entries of eight, as many as are left. */
AZ_INLINE const az_m8 *az_first(size_t left)
{
    static const int64_t mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return (const az_m8 *)(mask + 8 - left);
}
"""

_TOTAL = """\
/* The sum of {expression} over n entries. */
AZ_INLINE double az_total_{name}(const double *pa, const double *pb, size_t n)
{{
    az_v8 s = AZ_NONE;
    (void)pb;
    for (size_t e = 0; e < n / 8 * 8; e += 8)
        s += {vectors};
    if (n % 8) {{
        const size_t e = n / 8 * 8;
        s += AZ_PICK(*az_first(n % 8), {vectors}, AZ_NONE);
    }}
    return az_fold(&s);
}}
"""

_GRID_TOTAL = """\
/* The same over a matrix, row by row. */
AZ_INLINE double az_grid_total_{name}(const double *pa, size_t F)
{{
    if (F % 8 == 0)
        return az_total_{name}(pa, pa, F * F);
    double s[8] = {{-0.0, -0.0, -0.0, -0.0, -0.0, -0.0, -0.0, -0.0}};
    const size_t P = (F + 7) / 8 * 8;
    size_t e = 0;
    for (size_t i = 0; i < F; ++i)
        for (size_t j = 0; j < F; ++j, ++e) {{
            const double a = pa[i * P + j];
            s[e & 7] += {expression};
        }}
    return AZ_TREE(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]);
}}
"""

_ROWS = """\
#define AZ_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define AZ_HALVES(x, y) \\
    (AZ_MIX(x, y, 0, 1, 2, 3, 8, 9, 10, 11) + AZ_MIX(x, y, 4, 5, 6, 7, 12, 13, 14, 15))
#define AZ_PAIRS(x, y) \\
    (AZ_MIX(x, y, 0, 1, 4, 5, 8, 9, 12, 13) + AZ_MIX(x, y, 2, 3, 6, 7, 10, 11, 14, 15))
#define AZ_ODDS(x, y) \\
    (AZ_MIX(x, y, 0, 2, 4, 6, 8, 10, 12, 14) + AZ_MIX(x, y, 1, 3, 5, 7, 9, 11, 13, 15))

/* A matrix times a vector, eight rows at once; there is room for rows beyond the last. */
AZ_INLINE void az_matrix_vector(double *o, const double *m, const double *v, size_t F)
{
    const size_t P = (F + 7) / 8 * 8;
#if AZ_SHUFFLES
    for (size_t i = 0; i < F; i += 8) {
        const double *row = m + i * P;
#define AZ_BEGIN(k) az_v8 s##k = AZ_NONE;
        AZ_EACH(AZ_BEGIN)
        for (size_t e = 0; e < F / 8 * 8; e += 8) {
            const az_v8 b = AZ_FROM(v + e);
#define AZ_ADD(k) s##k += AZ_FROM(row + k * P + e) * b;
            AZ_EACH(AZ_ADD)
        }
        if (F % 8) {
            const size_t e = F / 8 * 8;
            const az_v8 b = AZ_FROM(v + e);
            const az_m8 *first = az_first(F % 8);
#define AZ_END(k) s##k += AZ_PICK(*first, AZ_FROM(row + k * P + e) * b, AZ_NONE);
            AZ_EACH(AZ_END)
        }
        const az_v8 a = AZ_HALVES(s0, s1), b = AZ_HALVES(s2, s3);
        const az_v8 c = AZ_HALVES(s4, s5), d = AZ_HALVES(s6, s7);
        const az_v8 x = AZ_PAIRS(a, b), y = AZ_PAIRS(c, d);
        AZ_AT(o + i) = AZ_ODDS(x, y);
    }
#else
    for (size_t i = 0; i < F; ++i)
        o[i] = az_total_ab(m + i * P, v, F);
#endif
}
"""

_COLUMNS = """\
/* Norms of columns. */
AZ_INLINE void az_column_norm(double *o, const double *m, size_t F)
{
    const size_t P = (F + 7) / 8 * 8;
    for (size_t j = 0; j < F; j += 8) {
        az_v8 s[8] = {AZ_NONE, AZ_NONE, AZ_NONE, AZ_NONE, AZ_NONE, AZ_NONE, AZ_NONE, AZ_NONE};
        for (size_t k = 0; k < F; ++k)
            s[k & 7] += AZ_FROM(m + k * P + j) * AZ_FROM(m + k * P + j);
        const az_v8 t = AZ_TREE(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]);
        for (size_t c = 0; c < 8; ++c)
            o[j + c] = sqrt(t[c]);
    }
}
"""

_MATMUL = """\
/* A matrix times a matrix. */
AZ_INLINE void az_matmul(double *o, const double *a, const double *b, size_t F)
{
    const size_t P = (F + 7) / 8 * 8;
    for (size_t j = 0; j < F; j += 8)
        for (size_t i = 0; i < F; ++i) {
            az_v8 s[8] = {AZ_NONE, AZ_NONE, AZ_NONE, AZ_NONE, AZ_NONE, AZ_NONE, AZ_NONE, AZ_NONE};
            for (size_t k = 0; k < F; ++k)
                s[k & 7] += a[i * P + k] * AZ_FROM(b + k * P + j);
            AZ_AT(o + i * P + j) = AZ_TREE(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]);
        }
}
"""

_TRANSPOSE = """\
AZ_INLINE void az_transpose(double *o, const double *a, size_t F)
{
    const size_t P = (F + 7) / 8 * 8;
    for (size_t i = 0; i < F; ++i)
        for (size_t j = 0; j < F; ++j)
            o[i * P + j] = a[j * P + i];
}
"""

_PLACE = """\
/* The entry that a fraction of F names. */
AZ_INLINE size_t az_place(size_t F, double fraction)
{
    const size_t place = (size_t)((double)F * fraction);
    return place < F ? place : F - 1;
}
"""

_SOFTMAX = """\
AZ_INLINE void az_softmax(double *p, size_t classes)
{
    double top = p[0], s[8] = {-0.0, -0.0, -0.0, -0.0, -0.0, -0.0, -0.0, -0.0};
    for (size_t c = 1; c < classes; ++c)
        top = p[c] > top ? p[c] : top;
    for (size_t c = 0; c < classes; ++c) {
        p[c] = az_exp(p[c] - top);
        s[c & 7] += p[c];
    }
    const double total = AZ_TREE(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]);
    for (size_t c = 0; c < classes; ++c)
        p[c] /= total;
}
"""

_NORMAL = """\
/* A normal number from two uniform ones (Box and Muller 1958). */
AZ_INLINE double az_normal(double u, double w)
{
    return sqrt(-2.0 * az_log(u)) * az_cos_fast(6.283185307179586477 * w);
}
"""

_MATH = {
    "exp": ("exp",),
    "sigmoid": ("exp",),
    "log": ("log",),
    "sin": ("double-double pieces", "sin, cos, tan"),
    "cos": ("double-double pieces", "sin, cos, tan"),
    "tan": ("double-double pieces", "sin, cos, tan"),
    "asin": ("double-double pieces", "asin, acos, atan"),
    "acos": ("double-double pieces", "asin, acos, atan"),
    "atan": ("double-double pieces", "asin, acos, atan"),
}
_TABLE = re.compile(
    r"^static const double (az__\w+)\[\d+\] = \{\n.*?^\};\n", re.MULTILINE | re.DOTALL
)
_SECTION = re.compile(r"^/\* ---- (.+?) -+ \*/\n", re.MULTILINE)


def parts_for(text: str) -> str:
    """The definitions of all that `text` uses, each after those that it is made of."""
    own = [
        (name, part)
        for name, part in (
            ("az_normal", _NORMAL),
            ("az_softmax", _SOFTMAX),
            ("az_matrix_vector", _ROWS),
            ("az_column_norm", _COLUMNS),
            ("az_matmul", _MATMUL),
            ("az_transpose", _TRANSPOSE),
            ("az_place", _PLACE),
        )
        if re.search(rf"\b{name}\b", text)
    ]
    used = text + "".join(part for _, part in own)
    totals = sorted(set(re.findall(r"\baz_(?:grid_)?total_(a+b?)\b", used)))
    grids = set(re.findall(r"\baz_grid_total_(a+b?)\b", used))
    parts = [_VECTORS, _math(used), _draws(used)]
    if re.search(r"AZ_(VECTOR|HELD)\(", used):
        parts.append(_LOCALS)
    if "AZ_GIVEN(" in used:
        parts.append(_GIVEN)
    if totals or "AZ_TREE" in used:
        parts.append(_SUMS)
    for name in totals:
        expression = " * ".join(name)
        vectors = re.sub(r"\b([ab])\b", r"AZ_FROM(p\1 + e)", expression)
        parts.append(_TOTAL.format(name=name, expression=expression, vectors=vectors))
        if name in grids:
            parts.append(_GRID_TOTAL.format(name=name, expression=expression))
    return "\n".join(part for part in (*parts, *(part for _, part in reversed(own))) if part)


def _math(text: str) -> str:
    """What `text` needs of azmath.h: its sections, without what they hold for lanes."""
    names = set(re.findall(r"\baz_(\w+?)(?:_fast)?\(", text)) & _MATH.keys()
    if not names:
        return ""
    wanted = {section for name in names for section in _MATH[name]}
    pieces = _SECTION.split(_header("azmath.h"))
    begin = pieces[0][pieces[0].index("#if defined(__FAST_MATH__)") :]
    sections = zip(pieces[1::2], pieces[2::2], strict=True)
    kept = [f"/* ---- {name} ---- */\n{body}" for name, body in sections if name in wanted]
    body = "".join(kept)
    # Compilers tell of tables that nothing uses, and of pragmas that they are not told to heed.
    begin = _TABLE.sub(lambda match: match[0] if match[1] in body else "", begin)
    body = re.sub(r' *_Pragma\("omp.*"\)', "", body)
    # With 16, numbers of half precision alone are rounded less often.
    begin = begin.replace("FLT_EVAL_METHOD != 0", "FLT_EVAL_METHOD % 16 != 0")
    head = "/* ---- functions: within 1 ulp, with the same bits everywhere ---- */\n\n"
    return "".join([head, begin.replace("azmath.h: ", ""), body])


def _draws(text: str) -> str:
    """random.h, if `text` draws."""
    if "az_philox" not in text:
        return ""
    header = _header("random.h")
    return header[header.index("typedef struct") : header.rindex("#endif")]


@cache
def _header(name: str) -> str:
    return (files("azc.runtime") / name).read_text("utf-8")
