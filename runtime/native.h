/* What emitted code (azc/compiler) is made of, beside its own loops: vectors, sums, the ops that
 * are more than + - * /, and the call that the runtime makes.
 *
 * Two layouts, both those of kernels.h, with the same sums in the same order:
 *
 *     lanes     AZ_VECTOR tasks side by side: a scalar is one `vec`, a vector F of them
 *     entries   one task, entries side by side: a scalar is a double, a vector F doubles, read
 *               AZ_VECTOR at a time; cells end on a whole cache line, so the last read may run over
 *
 * AZ_VECTOR is the number of doubles in a register of the machine that the code is built for.
 */
#ifndef AZ_NATIVE_H
#define AZ_NATIVE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels.h"

/* Raised whenever what follows changes its meaning: code built for another version is not called. */
#define AZ_NATIVE_VERSION 2

enum { AZ_CALL_SETUP, AZ_CALL_TRAIN, AZ_CALL_PREDICT };

/* One call of a program's function: Setup, with a count of one; or Predict, error and Learn for `count` examples; or
 * Predict alone, keeping the predictions. With lanes, several chunks of AZ_VECTOR tasks are served
 * at every example:
 *
 *     x            [example][chunk][entry][lane]        y, predictions  [example][chunk][lane]
 *     constants    [chunk][constant][lane]              bad             [chunk][lane]
 *     memory       [chunk] `span` doubles, laid out by the emitter
 *
 * With the entries layout, and where vectors are predicted, there is one chunk; then predictions
 * are [example][entry][lane]. */
typedef struct {
    int mode;
    int64_t first, count; /* examples, by their position in the order */
    const int64_t *order; /* NULL: as they lie */
    const double *x, *y;
    uint64_t step; /* number of the first example's step */
    int64_t chunks, span;
    double *memory;
    const double *constants;
    const int64_t *places;        /* entries that instructions set */
    const uint64_t *keys;         /* [chunk][lane] */
    const az_kernel_set *kernels; /* of one chunk's lanes */
    int64_t classes;
    double limit;
    double *bad; /* as az_kernel_set.judge counts */
    double *predictions;
} az_call;

typedef void (*az_function)(const az_call *);

/* One program of a module. */
typedef struct {
    az_function run;
    int64_t features, lanes; /* of one chunk */
    int64_t memory;          /* doubles */
    int64_t constants, places;
    int64_t many_classes; /* it predicts a vector */
} az_native;

typedef struct {
    int64_t version, count;
    const az_native *program;
} az_module;

#ifdef AZ_VECTOR /* the rest is for emitted code alone */

#define AZ_GLUE2(x, y) x##_##y
#define AZ_GLUE(x, y) AZ_GLUE2(x, y)
#define AZ_SIMD _Pragma("omp simd")
#define AZ_INLINE static inline __attribute__((always_inline, unused))
/* What takes so long that a call is nothing beside it: one copy of it is less to compile. */
#define AZ_APART static __attribute__((noinline, unused))

#include "vectors.h"

typedef AZ_GLUE(AZ_TYPE, AZ_VECTOR) vec;
typedef int64_t az_mask __attribute__((vector_size(8 * AZ_VECTOR), aligned(8), may_alias));

AZ_INLINE vec az_spread(double x)
{
    return (vec)AZ_GLUE(AZ_FILL, AZ_VECTOR)(x);
}

/* Both branches of a choice, per entry. */
AZ_INLINE vec az_pick(az_mask condition, vec yes, vec no)
{
    return (vec)(((az_mask)yes & condition) | ((az_mask)no & ~condition));
}

AZ_INLINE vec az_vec_fabs(vec x)
{
    return (vec)((az_mask)x & INT64_MAX);
}

AZ_INLINE vec az_vec_sqrt(vec x)
{
    double y[AZ_VECTOR];
    memcpy(y, &x, sizeof y);
    AZ_SIMD for (int l = 0; l < AZ_VECTOR; ++l) y[l] = sqrt(y[l]);
    memcpy(&x, y, sizeof y);
    return x;
}

/* A number as a vector, whatever it was. */
AZ_INLINE vec az_vec_of(vec x)
{
    return x;
}
#define AZ_WIDE(x) _Generic((x), double: az_spread, default: az_vec_of)(x)

/* ---- totals -------------------------------------------------------------------------------- */

/* Of the lanes layout, by number of entries: total_ab(o, a, b, n) adds a[e] * b[e] for e < n. */
#define AZ_L AZ_VECTOR
#define AZ_NAME(name) az_lanes_##name##_of
#define AZ_BEGIN(name)                                                                     \
    AZ_INLINE void AZ_NAME(name)(double *o, const double *pa, const double *pb, int64_t F) \
    {
#define AZ_END(name) }
#include "sums_many.h"
#define AZ_NATIVE_TOTAL(name, expression)                                         \
    AZ_TOTAL(name, expression)                                                    \
    AZ_APART vec az_lanes_##name(const vec *a, const vec *b, int64_t n)           \
    {                                                                             \
        vec total;                                                                \
        AZ_NAME(name)((double *)&total, (const double *)a, (const double *)b, n); \
        return total;                                                             \
    }
#define AZ_NATIVE_PRODUCT(name, expression)                                       \
    AZ_PRODUCT(name, expression)                                                  \
    AZ_INLINE void az_lanes_##name(vec *o, const vec *a, const vec *b, int64_t F) \
    {                                                                             \
        AZ_NAME(name)((double *)o, (const double *)a, (const double *)b, F);      \
    }
#define AZ_NATIVE_OP1(...)
#define AZ_NATIVE_OP2(...)
#define AZ_NATIVE_OP3(...)
#include "_generated/native_bodies.h"
#undef AZ_NATIVE_TOTAL
#undef AZ_NATIVE_PRODUCT
#undef AZ_L
#include "sums_end.h"

/* The same for one small number of entries: written out, so that there is less to compile
 * each time it is used. */
#define AZ_LANES_FIRST(k, n, expression) \
    vec s##k = az_spread(AZ_ABSENT);     \
    if (n > k) {                         \
        const vec a = pa[k], b = pb[k];  \
        (void)b;                         \
        s##k = expression;               \
    }
#define AZ_LANES_NEXT(k, n, expression)         \
    {                                           \
        const vec a = pa[e + k], b = pb[e + k]; \
        (void)b;                                \
        s##k += expression;                     \
    }
#define AZ_LANES_LAST(k, n, expression) \
    if (n > 8 && n % 8 > k)             \
    AZ_LANES_NEXT(k, n, expression)
#define AZ_LANES_TOTAL(name, n, expression)                           \
    AZ_INLINE vec az_lanes_##name##_##n(const vec *pa, const vec *pb) \
    {                                                                 \
        int64_t e = 8;                                                \
        AZ_REPEAT_8(AZ_LANES_FIRST, n, expression)                    \
        for (; e + 8 <= n; e += 8) {                                  \
            AZ_REPEAT_8(AZ_LANES_NEXT, n, expression)                 \
        }                                                             \
        e = n / 8 * 8;                                                \
        AZ_REPEAT_8(AZ_LANES_LAST, n, expression)                     \
        return AZ_TREE(s0, s1, s2, s3, s4, s5, s6, s7);               \
    }
#define AZ_ENTRIES_TOTAL(name, n, expression)                                      \
    AZ_INLINE double az_entries_##name##_##n(const vec *pa, const vec *pb)         \
    {                                                                              \
        double total;                                                              \
        az_entries_##name##_of(&total, (const double *)pa, (const double *)pb, n); \
        return total;                                                              \
    }

/* Of the entries layout. */
#define AZ_L 1
#undef AZ_NAME
#define AZ_NAME(name) az_entries_##name##_of
#include "sums_one.h"
#define AZ_NATIVE_TOTAL(name, expression)                                    \
    AZ_TOTAL(name, expression)                                               \
    AZ_APART double az_entries_##name(const vec *a, const vec *b, int64_t n) \
    {                                                                        \
        double total;                                                        \
        AZ_NAME(name)(&total, (const double *)a, (const double *)b, n);      \
        return total;                                                        \
    }
#define AZ_NATIVE_PRODUCT(name, expression)                                         \
    AZ_PRODUCT(name, expression)                                                    \
    AZ_INLINE void az_entries_##name(vec *o, const vec *a, const vec *b, int64_t F) \
    {                                                                               \
        AZ_NAME(name)((double *)o, (const double *)a, (const double *)b, F);        \
    }
#include "_generated/native_bodies.h"
#undef AZ_NATIVE_TOTAL
#undef AZ_NATIVE_PRODUCT
#undef AZ_NATIVE_OP1
#undef AZ_NATIVE_OP2
#undef AZ_NATIVE_OP3
#undef AZ_L
#include "sums_end.h"

/* Eight partial sums, gathered by a loop of the entries layout: that of entry e, a multiple of
 * AZ_VECTOR, is s[az_part(e / AZ_VECTOR)]. */
#define AZ_PARTIAL (8 / AZ_VECTOR)
typedef struct {
    vec s[AZ_PARTIAL];
} az_partial;

AZ_INLINE void az_clear(az_partial *p)
{
    for (int k = 0; k < AZ_PARTIAL; ++k)
        p->s[k] = az_spread(AZ_ABSENT);
}

AZ_INLINE void az_add(az_partial *p, int64_t chunk, vec addend)
{
    p->s[chunk & (AZ_PARTIAL - 1)] += addend;
}

AZ_INLINE double az_total(const az_partial *p)
{
    return az_fold(p->s);
}

/* ---- ops that are more than + - * / ---------------------------------------------------------- */

/* Each for a double and for a vec; the type of the first argument chooses. */
#define AZ_NATIVE_TOTAL(...)
#define AZ_NATIVE_PRODUCT(...)
#define AZ_NATIVE_OP1(name, x, one, many)    \
    AZ_INLINE double az_one_##name(double x) \
    {                                        \
        return one;                          \
    }                                        \
    AZ_INLINE vec az_vec_##name(vec x)       \
    {                                        \
        return many;                         \
    }
#define AZ_NATIVE_OP2(name, x, y, one, many)           \
    AZ_INLINE double az_one_##name(double x, double y) \
    {                                                  \
        return one;                                    \
    }                                                  \
    AZ_INLINE vec az_vec_##name(vec x, vec y)          \
    {                                                  \
        return many;                                   \
    }
#define AZ_NATIVE_OP3(name, x, y, z, one, many)                  \
    AZ_INLINE double az_one_##name(double x, double y, double z) \
    {                                                            \
        return one;                                              \
    }                                                            \
    AZ_INLINE vec az_vec_##name(vec x, vec y, double z)          \
    {                                                            \
        return many;                                             \
    }
#include "_generated/native_bodies.h"
#define AZ_OP(name, x, ...) \
    _Generic((x), double: az_one_##name, default: az_vec_##name)(x, ##__VA_ARGS__)

/* ---- ops that the runtime's kernels do -------------------------------------------------------- */

AZ_APART void az_kernel_of(
    const az_call *c,
    const uint64_t *keys,
    int kernel,
    int64_t F,
    double *o,
    const double *a,
    const double *b,
    int64_t place,
    uint64_t step)
{
    const az_frame frame = {keys, F, 1, step};
    const az_step steps[2] = {
        {.kernel = c->kernels->one[kernel],
         .out = o,
         .a = a,
         .b = b,
         .c = a,
         .place = (uint32_t)place},
        {.kernel = az_stop}};
    steps[0].kernel(steps, &frame);
}

/* The step of example `t`. */
AZ_INLINE uint64_t az_step_of(const az_call *c, int64_t t)
{
    return c->mode == AZ_CALL_SETUP ? c->step : c->step + (uint64_t)(t - c->first);
}

/* On scalars, on addresses of vectors and matrices, and with drawn numbers; of chunk `q`. */
#define AZ_KERNELS(layout, number, lanes)                                                         \
    AZ_APART number az_##layout##_scalar(                                                         \
        const az_call *c, int64_t q, int kernel, int64_t F, number a, number b, int64_t place,    \
        int64_t t)                                                                                \
    {                                                                                             \
        number o;                                                                                 \
        az_kernel_of(                                                                             \
            c, c->keys + q * lanes, kernel, F, (double *)&o, (const double *)&a,                  \
            (const double *)&b, place, az_step_of(c, t));                                         \
        return o;                                                                                 \
    }                                                                                             \
    AZ_APART void az_##layout##_kernel(                                                           \
        const az_call *c, int64_t q, int kernel, int64_t F, vec *o, const vec *a, const vec *b,   \
        int64_t place, int64_t t)                                                                 \
    {                                                                                             \
        az_kernel_of(                                                                             \
            c, c->keys + q * lanes, kernel, F, (double *)o, (const double *)a, (const double *)b, \
            place, az_step_of(c, t));                                                             \
    }                                                                                             \
    AZ_APART void az_##layout##_draw(                                                             \
        const az_call *c, int64_t q, int kernel, int64_t F, vec *o, number a, number b,           \
        int64_t place, int64_t t)                                                                 \
    {                                                                                             \
        az_kernel_of(                                                                             \
            c, c->keys + q * lanes, kernel, F, (double *)o, (const double *)&a,                   \
            (const double *)&b, place, az_step_of(c, t));                                         \
    }
AZ_KERNELS(lanes, vec, AZ_VECTOR)
AZ_KERNELS(entries, double, 1)

/* ---- examples -------------------------------------------------------------------------------- */

/* Once a run; what only then happens is compiled for size. */
AZ_INLINE int az_is_setup(const az_call *c)
{
    return __builtin_expect_with_probability(c->mode == AZ_CALL_SETUP, 0, 1.0);
}

/* Where example `t` of the order lies. */
AZ_INLINE int64_t az_row(const az_call *c, int64_t t)
{
    return c->order ? c->order[t] : t;
}

/* Notes whether the error is beyond the limit, and returns the prediction as Learn sees it. `at`
 * names the example, and with lanes the chunk. */
AZ_INLINE vec az_lanes_judge(const az_call *c, int64_t at, vec prediction, vec *bad)
{
    const vec label = AZ_AT(vec, c->y + at * AZ_VECTOR);
    if (c->classes) {
        double p[AZ_VECTOR];
        memcpy(p, &prediction, sizeof p);
        c->kernels->sigmoid(p);
        memcpy(&prediction, p, sizeof p);
    }
    const az_mask within = az_vec_fabs(label - prediction) <= c->limit;
    *bad += az_pick(within & (*bad == 0.0), az_spread(0.0), az_spread(1.0));
    return prediction;
}

AZ_INLINE double az_entries_judge(const az_call *c, int64_t at, double prediction, double *bad)
{
    if (c->classes) {
        double p = prediction;
        c->kernels->sigmoid(&p);
        prediction = p;
    }
    *bad += fabs(c->y[at] - prediction) <= c->limit && *bad == 0.0 ? 0.0 : 1.0;
    return prediction;
}

/* The same where a vector is predicted. */
#define AZ_JUDGE_CLASSES(layout, lanes)                                                            \
    AZ_INLINE void az_##layout##_judge_classes(const az_call *c, int64_t row, vec *prediction)     \
    {                                                                                              \
        c->kernels->softmax((double *)prediction, c->classes);                                     \
        c->kernels->judge_classes(                                                                 \
            c->bad, c->y + row * lanes, (const double *)prediction, c->classes, c->limit);         \
    }                                                                                              \
    AZ_INLINE void az_##layout##_set_classes(const az_call *c, int64_t row, vec *label, int64_t F) \
    {                                                                                              \
        memset(label, 0, (size_t)(F * lanes) * sizeof(double));                                    \
        for (int l = 0; l < lanes; ++l)                                                            \
            ((double *)label)[(int64_t)c->y[row * lanes + l] * lanes + l] = 1.0;                   \
    }                                                                                              \
    AZ_INLINE void az_##layout##_keep_classes(const az_call *c, int64_t t, const vec *prediction)  \
    {                                                                                              \
        const size_t count = (size_t)(c->classes * lanes);                                         \
        memcpy(                                                                                    \
            c->predictions + (size_t)(t - c->first) * count, prediction, count * sizeof(double));  \
    }
AZ_JUDGE_CLASSES(lanes, AZ_VECTOR)
AZ_JUDGE_CLASSES(entries, 1)

/* A program's entry in its module's table. */
AZ_INLINE az_native az_program(
    az_function run,
    int64_t features,
    int64_t lanes,
    int64_t memory,
    int64_t constants,
    int64_t places,
    int64_t many_classes)
{
    return (az_native){run, features, lanes, memory, constants, places, many_classes};
}

/* Vectors of `chunks` registers to variables and back; loops, because compilers keep what memcpy
 * touches in memory. */
AZ_INLINE void az_load(vec *to, const double *from, int64_t chunks)
{
    for (int64_t i = 0; i < chunks; ++i)
        to[i] = AZ_AT(vec, from + i * AZ_VECTOR);
}

AZ_INLINE void az_store(double *to, const vec *from, int64_t chunks)
{
    for (int64_t i = 0; i < chunks; ++i)
        *(vec *)(to + i * AZ_VECTOR) = from[i];
}

/* `count` doubles. */
AZ_INLINE void az_copy(vec *to, const vec *from, int64_t count)
{
    memcpy(to, from, (size_t)count * sizeof(double));
}

AZ_INLINE void az_zero(vec *to, int64_t count)
{
    memset(to, 0, (size_t)count * sizeof(double));
}

#endif
#endif
