"""The text of an exported C file around what is written of the program."""

from __future__ import annotations

__all__ = ["HEAD", "LEARN", "NEW", "PREDICT", "SIZED"]

HEAD = """\
/* {title}: a model that learns example by example.
 *
 * {doc} *
 *     azc_model *m = azc_model_new(F, seed);
 *     for each example: azc_model_learn(m, x, y);
 *     azc_model_predict(m, x, out);
 *     azc_model_free(m);
 *
 * Plain C99 with GNU C's vectors, for gcc 10 and clang 13 or later, 64 bits; link with -lm. All
 * numbers are azc's to the bit, whatever the machine and the optimisation, but for -ffast-math and
 * the like. Fastest with -O3 -march=native and, where F is always the same, -DAZC_FEATURES=F.
 *
 * {program}
 */
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* No multiplication joined to an addition: it would change the last bits. Loops are on vectors as
 * they stand; what gcc would make of the rest is slower. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off", "no-tree-vectorize", "no-tree-slp-vectorize")
#endif

/* The number of features, if it is known; 0: any. */
#ifndef AZC_FEATURES
#define AZC_FEATURES 0
#endif
/* Where an error is larger than that, or NaN, training has failed. */
#ifndef AZC_MAX_ABS_ERROR
#define AZC_MAX_ABS_ERROR 100.0
#endif

{sized}
typedef struct azc_model azc_model;

/* A model of examples with F features, untrained; its random numbers follow from `seed`. NULL if
 * memory is short or F is {limits}. */
azc_model *azc_model_new(size_t F, uint64_t seed);
void azc_model_free(azc_model *m);
/* Learns an example of F numbers; y is {label}.
 * Returns 1, or 0 where the error is NaN or too large: the model is of no use any more. */
int azc_model_learn(azc_model *m, const double *x, double y);
/* n examples, one after the other; returns how many were learned. */
size_t azc_model_fit(azc_model *m, const double *X, const double *y, size_t n);
/* {out}; the model stays as it is. */
void azc_model_predict(azc_model *m, const double *x, double *out);
/* n predictions for examples that come one after the other. */
void azc_model_predict_all(azc_model *m, const double *X, size_t n, double *out);

"""

SIZED = """\
/* Code of its own for some numbers of features: loops of known length are quicker. */
#define AZC_SIZED(m, call) \\
    switch (AZC_FEATURES ? 0 : (m)->F) {{ \\
{cases}    default: call((AZC_FEATURES ? AZC_FEATURES : (m)->F)); \\
    }}
"""

NEW = """\
azc_model *azc_model_new(size_t F, uint64_t seed)
{{
    if (F < {least} || F > 1048576 || (AZC_FEATURES && F != AZC_FEATURES))
        return NULL;
    const size_t P = (F + 7) / 8 * 8;
    const size_t count = {count} * P + {grids} * P * P;
    azc_model *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->block = calloc(count + 8, sizeof(double));
    if (!m->block) {{
        free(m);
        return NULL;
    }}
    m->F = F;
{key}    double *next = m->block;
    while ((uintptr_t)next % 64)
        ++next;
{cells}    (void)next;
    azc_setup(m);
    m->step = 1;
    return m;
}}

void azc_model_free(azc_model *m)
{{
    if (!m)
        return;
    free(m->block);
    free(m);
}}
"""

LEARN = """\
/* Returns how many examples were learned; inlined, since one alone needs no loop. */
AZ_INLINE size_t azc_learn(
    azc_model *restrict m, const double *restrict X, const double *restrict Y, size_t n,
    const size_t F)
{{
{before}
    size_t row = 0;
    for (; row < n; ++row) {{
{body}
    }}
{after}    m->step += row;
    return row;
}}

int azc_model_learn(azc_model *m, const double *x, double y)
{{
    return azc_learn(m, x, &y, 1, AZC_FEATURES ? AZC_FEATURES : m->F) == 1;
}}

size_t azc_model_fit(azc_model *m, const double *X, const double *y, size_t n)
{{
#define AZC_LEARN(F) return azc_learn(m, X, y, n, F)
    AZC_SIZED(m, AZC_LEARN)
}}
"""

PREDICT = """\
AZ_INLINE void azc_ask(azc_model *m, const double *X, size_t n, double *out, const size_t F)
{{
    (void)m;
{before}
    for (size_t row = 0; row < n; ++row) {{
{body}
    }}
{after}}}

void azc_model_predict_all(azc_model *m, const double *X, size_t n, double *out)
{{
#define AZC_ASK(F) azc_ask(m, X, n, out, F); return
    AZC_SIZED(m, AZC_ASK)
}}

void azc_model_predict(azc_model *m, const double *x, double *out)
{{
    azc_ask(m, x, 1, out, AZC_FEATURES ? AZC_FEATURES : m->F);
}}
"""
