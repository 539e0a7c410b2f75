/* The loops of the kernels for AZ_L lanes; kernels.c takes this file in once per number of lanes.
 *
 * `bodies.h`, generated from the op table, fills the loops with the ops' expressions over the
 * entries `a` and `b`. Elementwise loops are left to the compiler's vectoriser (`omp simd` only
 * says that iterations are independent; an output may be one of the operands, at the same
 * places). Sums are written with vectors of lanes, because their order is part of the meaning and
 * eight running sums must stay in registers.
 */

#define AZ_NAME(name) AZ_GLUE(name, AZ_L)

/* A kernel: its body runs once per example of the block. */
#define AZ_BEGIN(name)                                                                             \
    static void AZ_NAME(name)(const az_step *in, const az_frame *frame)                            \
    {                                                                                              \
        const int64_t F = frame->features;                                                         \
        double *o = frame->cell[in->out];                                                          \
        const double *pa = frame->cell[in->a], *pb = frame->cell[in->b];                           \
        int64_t block = frame->block;                                                              \
        (void)F, (void)pb;                                                                         \
        for (;;) {
#define AZ_END                                                                                     \
            if (--block == 0)                                                                      \
                return;                                                                            \
            o += frame->stride[in->out];                                                           \
            pa += frame->stride[in->a];                                                            \
            pb += frame->stride[in->b];                                                            \
        }                                                                                          \
    }

/* Offsets of an operand's value for entry e = (i, j) of the result, lane l. */
#define AZ_LANE (l)
#define AZ_SAME (e * AZ_L + l)
#define AZ_ROW (i * AZ_L + l)
#define AZ_COLUMN (j * AZ_L + l)
#define AZ_SWAPPED ((j * F + i) * AZ_L + l)

#if AZ_L == 1
#define AZ_EACH_ENTRY(count)                                                                       \
    const int64_t entries = (count);                                                               \
    const int l = 0;                                                                               \
    AZ_SIMD for (int64_t e = 0; e < entries; ++e)
#define AZ_EACH_COLUMN                                                                             \
    const int l = 0;                                                                               \
    AZ_SIMD for (int64_t j = 0; j < F; ++j)
#else
#define AZ_EACH_ENTRY(count)                                                                       \
    const int64_t entries = (count);                                                               \
    for (int64_t e = 0; e < entries; ++e)                                                          \
        AZ_SIMD for (int l = 0; l < AZ_L; ++l)
#define AZ_EACH_COLUMN                                                                             \
    for (int64_t j = 0; j < F; ++j)                                                                \
        AZ_SIMD for (int l = 0; l < AZ_L; ++l)
#endif

/* Entry by entry. */
#define AZ_MAP1(name, count, place_a, expression)                                                  \
    AZ_BEGIN(name)                                                                                 \
    AZ_EACH_ENTRY(count)                                                                           \
    {                                                                                              \
        const double a = pa[AZ_##place_a];                                                         \
        o[AZ_SAME] = expression;                                                                   \
    }                                                                                              \
    AZ_END
#define AZ_MAP2(name, count, place_a, place_b, expression)                                         \
    AZ_BEGIN(name)                                                                                 \
    AZ_EACH_ENTRY(count)                                                                           \
    {                                                                                              \
        const double a = pa[AZ_##place_a], b = pb[AZ_##place_b];                                   \
        o[AZ_SAME] = expression;                                                                   \
    }                                                                                              \
    AZ_END

/* A matrix from operands that are read by row, by column or transposed; never in place. */
#define AZ_GRID1(name, place_a, expression)                                                        \
    AZ_BEGIN(name)                                                                                 \
    for (int64_t i = 0; i < F; ++i) {                                                              \
        double *row = o + i * F * AZ_L;                                                            \
        AZ_EACH_COLUMN                                                                             \
        {                                                                                          \
            const double a = pa[AZ_##place_a];                                                     \
            row[AZ_COLUMN] = expression;                                                           \
        }                                                                                          \
    }                                                                                              \
    AZ_END
#define AZ_GRID2(name, place_a, place_b, expression)                                               \
    AZ_BEGIN(name)                                                                                 \
    for (int64_t i = 0; i < F; ++i) {                                                              \
        double *row = o + i * F * AZ_L;                                                            \
        AZ_EACH_COLUMN                                                                             \
        {                                                                                          \
            const double a = pa[AZ_##place_a], b = pb[AZ_##place_b];                               \
            row[AZ_COLUMN] = expression;                                                           \
        }                                                                                          \
    }                                                                                              \
    AZ_END

/* The functions of azmath.h on all lanes of a scalar. */
#define AZ_MATH(name, function)                                                                    \
    AZ_BEGIN(name)                                                                                 \
    function(o, pa, AZ_L);                                                                         \
    AZ_END

#define AZ_NOTHING(name)                                                                           \
    static void AZ_NAME(name)(const az_step *in, const az_frame *frame)                            \
    {                                                                                              \
        (void)in, (void)frame;                                                                     \
    }

/* One entry; the others stay. */
#define AZ_ENTRY(name)                                                                             \
    AZ_BEGIN(name)                                                                                 \
    for (int l = 0; l < AZ_L; ++l)                                                                 \
        o[(int64_t)in->place * AZ_L + l] = pa[l];                                                  \
    AZ_END

/* Independent draws; `a` and `b` are the constants, `u` and `w` uniform on (0, 1). */
#define AZ_RANDOM(name, count, expression)                                                         \
    AZ_BEGIN(name)                                                                                 \
    const uint64_t step = frame->step + (uint64_t)(frame->block - block);                          \
    AZ_EACH_ENTRY(count)                                                                           \
    {                                                                                              \
        const az_draw draw = az_philox(frame->keys[l], (uint32_t)e, in->place, step);              \
        const double a = pa[l], b = pb[l], u = az_unit(draw.first), w = az_unit(draw.second);      \
        (void)w;                                                                                   \
        o[AZ_SAME] = expression;                                                                   \
    }                                                                                              \
    AZ_END

/* Sums. AZ_V lanes (with one lane: entries) are added at once. */
#if AZ_L == 1
#define AZ_V 8
#elif AZ_L < AZ_VECTOR
#define AZ_V AZ_L
#else
#define AZ_V AZ_VECTOR
#endif
#ifndef AZ_L_VECTOR_TYPES
#define AZ_L_VECTOR_TYPES
typedef double az_v2 __attribute__((vector_size(16), aligned(8), may_alias));
typedef double az_v4 __attribute__((vector_size(32), aligned(8), may_alias));
typedef double az_v8 __attribute__((vector_size(64), aligned(8), may_alias));
#define AZ_AT(type, pointer) (*(const type *)(pointer))
#define AZ_NONE_v2 {-0.0, -0.0}
#define AZ_NONE_v4 {-0.0, -0.0, -0.0, -0.0}
#define AZ_NONE_v8 {-0.0, -0.0, -0.0, -0.0, -0.0, -0.0, -0.0, -0.0}
#define AZ_TREE(s0, s1, s2, s3, s4, s5, s6, s7)                                                    \
    ((((s0) + (s4)) + ((s2) + (s6))) + (((s1) + (s5)) + ((s3) + (s7))))
#endif
#define AZ_VEC AZ_GLUE(az, AZ_GLUE_V(AZ_V))
#define AZ_VEC_NONE AZ_GLUE(AZ_NONE, AZ_GLUE_V(AZ_V))
#ifndef AZ_GLUE_V
#define AZ_GLUE_V2(x) v##x
#define AZ_GLUE_V(x) AZ_GLUE_V2(x)
#endif

/* AZ_TOTAL: function `name`, the total over entries e < n of an expression in
 * a = pa[e * step_a], b = pb[e * step_b], for all lanes; steps count entries. */
#if AZ_L == 1
#define AZ_TOTAL(name, expression)                                                                 \
    static inline void AZ_NAME(name)(                                                              \
        double *total, const double *pa, const double *pb, int64_t n)                              \
    {                                                                                              \
        az_v8 sum = AZ_NONE_v8;                                                                    \
        int64_t e = 0;                                                                             \
        for (; e + 8 <= n; e += 8) {                                                               \
            const az_v8 a = AZ_AT(az_v8, pa + e), b = AZ_AT(az_v8, pb + e);                        \
            (void)b;                                                                               \
            sum += expression;                                                                     \
        }                                                                                          \
        double s[8];                                                                               \
        for (int k = 0; k < 8; ++k)                                                                \
            s[k] = sum[k];                                                                         \
        for (int k = 0; e + k < n; ++k) {                                                          \
            const double a = pa[e + k], b = pb[e + k];                                             \
            (void)b;                                                                               \
            s[k] += expression;                                                                    \
        }                                                                                          \
        *total = AZ_TREE(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]);                          \
    }
#else
#define AZ_TERM(sum, k, expression)                                                                \
    {                                                                                              \
        const AZ_VEC a = AZ_AT(AZ_VEC, qa + (k) * AZ_L), b = AZ_AT(AZ_VEC, qb + (k) * AZ_L);       \
        (void)b;                                                                                   \
        sum += expression;                                                                         \
    }
#define AZ_TOTAL(name, expression)                                                                 \
    static inline void AZ_NAME(name)(                                                              \
        double *total, const double *pa, const double *pb, int64_t n)                              \
    {                                                                                              \
        for (int l = 0; l < AZ_L; l += AZ_V) {                                                     \
            const double *qa = pa + l, *qb = pb + l;                                               \
            AZ_VEC s0 = AZ_VEC_NONE, s1 = AZ_VEC_NONE, s2 = AZ_VEC_NONE, s3 = AZ_VEC_NONE;         \
            AZ_VEC s4 = AZ_VEC_NONE, s5 = AZ_VEC_NONE, s6 = AZ_VEC_NONE, s7 = AZ_VEC_NONE;         \
            int64_t left = n;                                                                      \
            for (; left >= 8; left -= 8, qa += 8 * AZ_L, qb += 8 * AZ_L) {                         \
                AZ_TERM(s0, 0, expression)                                                         \
                AZ_TERM(s1, 1, expression)                                                         \
                AZ_TERM(s2, 2, expression)                                                         \
                AZ_TERM(s3, 3, expression)                                                         \
                AZ_TERM(s4, 4, expression)                                                         \
                AZ_TERM(s5, 5, expression)                                                         \
                AZ_TERM(s6, 6, expression)                                                         \
                AZ_TERM(s7, 7, expression)                                                         \
            }                                                                                      \
            switch (left) {                                                                        \
            case 7:                                                                                \
                AZ_TERM(s6, 6, expression) /* fall through */                                      \
                __attribute__((fallthrough));                                                      \
            case 6:                                                                                \
                AZ_TERM(s5, 5, expression)                                                         \
                __attribute__((fallthrough));                                                      \
            case 5:                                                                                \
                AZ_TERM(s4, 4, expression)                                                         \
                __attribute__((fallthrough));                                                      \
            case 4:                                                                                \
                AZ_TERM(s3, 3, expression)                                                         \
                __attribute__((fallthrough));                                                      \
            case 3:                                                                                \
                AZ_TERM(s2, 2, expression)                                                         \
                __attribute__((fallthrough));                                                      \
            case 2:                                                                                \
                AZ_TERM(s1, 1, expression)                                                         \
                __attribute__((fallthrough));                                                      \
            case 1:                                                                                \
                AZ_TERM(s0, 0, expression)                                                         \
            }                                                                                      \
            *(AZ_VEC *)(total + l) = AZ_TREE(s0, s1, s2, s3, s4, s5, s6, s7);                      \
        }                                                                                          \
    }
#endif

#define AZ_FINISH(place, expression)                                                               \
    AZ_SIMD for (int l = 0; l < AZ_L; ++l)                                                         \
    {                                                                                              \
        const double t0 = total0[l], t1 = total1[l];                                               \
        (void)t1, (void)n;                                                                         \
        (place)[l] = expression;                                                                   \
    }

/* Totals along rows: contiguous entries; the second operand is the same for every row. */
#define AZ_ROWS1(name, rows, count, operand_b, sum0, expression)                                   \
    AZ_TOTAL(name##_total0, sum0)                                                                  \
    AZ_BEGIN(name)                                                                                 \
    const int64_t length = (count), lines = (rows);                                                \
    const double n = (double)length;                                                               \
    for (int64_t i = 0; i < lines; ++i) {                                                          \
        double total0[AZ_L];                                                                       \
        const double *total1 = total0, *line = pa + i * length * AZ_L;                             \
        AZ_NAME(name##_total0)(total0, line, operand_b == pa ? line : operand_b, length);          \
        AZ_FINISH(o + i * AZ_L, expression)                                                        \
    }                                                                                              \
    AZ_END
#define AZ_ROWS2(name, rows, count, operand_b, sum0, sum1, expression)                             \
    AZ_TOTAL(name##_total0, sum0)                                                                  \
    AZ_TOTAL(name##_total1, sum1)                                                                  \
    AZ_BEGIN(name)                                                                                 \
    const int64_t length = (count), lines = (rows);                                                \
    const double n = (double)length;                                                               \
    for (int64_t i = 0; i < lines; ++i) {                                                          \
        double total0[AZ_L], total1[AZ_L];                                                         \
        const double *line = pa + i * length * AZ_L;                                               \
        AZ_NAME(name##_total0)(total0, line, line, length);                                        \
        AZ_NAME(name##_total1)(total1, line, line, length);                                        \
        AZ_FINISH(o + i * AZ_L, expression)                                                        \
    }                                                                                              \
    AZ_END

/* Totals down columns: entry (i, j) of the result sums over k an expression in a = pa[i][k] and
 * b = pb[k][j]. Columns are the outer loop, so that a panel of them stays in the cache. */
#if AZ_L == 1
#define AZ_COLUMNS(name, rows, load_a, matrix, sum0, expression)                                   \
    AZ_BEGIN(name)                                                                                 \
    const int64_t lines = (rows);                                                                  \
    const double n = (double)F;                                                                    \
    const double *pm = matrix;                                                                     \
    int64_t j = 0;                                                                                 \
    for (; j + 8 <= F; j += 8)                                                                     \
        for (int64_t i = 0; i < lines; ++i) {                                                      \
            az_v8 s[8] = {AZ_NONE_v8, AZ_NONE_v8, AZ_NONE_v8, AZ_NONE_v8,                          \
                          AZ_NONE_v8, AZ_NONE_v8, AZ_NONE_v8, AZ_NONE_v8};                         \
            for (int64_t k = 0; k < F; ++k) {                                                      \
                const double x = load_a;                                                           \
                const az_v8 a = {x, x, x, x, x, x, x, x}, b = AZ_AT(az_v8, pm + k * F + j);        \
                (void)a;                                                                           \
                s[k & 7] += sum0;                                                                  \
            }                                                                                      \
            const az_v8 tree = AZ_TREE(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]);            \
            for (int c = 0; c < 8; ++c) {                                                          \
                const double t0 = tree[c];                                                         \
                o[i * F + j + c] = expression;                                                     \
            }                                                                                      \
        }                                                                                          \
    for (; j < F; ++j)                                                                             \
        for (int64_t i = 0; i < lines; ++i) {                                                      \
            double s[8] = {-0.0, -0.0, -0.0, -0.0, -0.0, -0.0, -0.0, -0.0};                        \
            for (int64_t k = 0; k < F; ++k) {                                                      \
                const double a = load_a, b = pm[k * F + j];                                        \
                (void)a;                                                                           \
                s[k & 7] += sum0;                                                                  \
            }                                                                                      \
            const double t0 = AZ_TREE(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]);             \
            o[i * F + j] = expression;                                                             \
        }                                                                                          \
    (void)n;                                                                                       \
    AZ_END
#define AZ_COLUMNS1(name, rows, count, sum0, expression)                                           \
    AZ_COLUMNS(name, rows, 0.0, pa, sum0, expression)
#define AZ_COLUMNS2(name, rows, count, sum0, expression)                                           \
    AZ_COLUMNS(name, rows, pa[i * F + k], pb, sum0, expression)
#else
#define AZ_DOWN(sum, k, expression)                                                                \
    {                                                                                              \
        const AZ_VEC a = AZ_AT(AZ_VEC, qa + (k) * AZ_L), b = AZ_AT(AZ_VEC, qb + (k) * column);     \
        (void)a;                                                                                   \
        sum += expression;                                                                         \
    }
#define AZ_COLUMNS(name, rows, vector, matrix, sum0, expression)                                   \
    AZ_BEGIN(name)                                                                                 \
    const int64_t lines = (rows), column = F * AZ_L;                                               \
    const double n = (double)F;                                                                    \
    for (int64_t j = 0; j < F; ++j)                                                                \
        for (int64_t i = 0; i < lines; ++i) {                                                      \
            double total0[AZ_L];                                                                   \
            const double *total1 = total0;                                                         \
            for (int l = 0; l < AZ_L; l += AZ_V) {                                                 \
                const double *qa = (vector) + l, *qb = (matrix) + j * AZ_L + l;                    \
                AZ_VEC s0 = AZ_VEC_NONE, s1 = AZ_VEC_NONE, s2 = AZ_VEC_NONE, s3 = AZ_VEC_NONE;     \
                AZ_VEC s4 = AZ_VEC_NONE, s5 = AZ_VEC_NONE, s6 = AZ_VEC_NONE, s7 = AZ_VEC_NONE;     \
                int64_t left = F;                                                                  \
                for (; left >= 8; left -= 8, qa += 8 * AZ_L, qb += 8 * column) {                   \
                    AZ_DOWN(s0, 0, sum0)                                                           \
                    AZ_DOWN(s1, 1, sum0)                                                           \
                    AZ_DOWN(s2, 2, sum0)                                                           \
                    AZ_DOWN(s3, 3, sum0)                                                           \
                    AZ_DOWN(s4, 4, sum0)                                                           \
                    AZ_DOWN(s5, 5, sum0)                                                           \
                    AZ_DOWN(s6, 6, sum0)                                                           \
                    AZ_DOWN(s7, 7, sum0)                                                           \
                }                                                                                  \
                if (left > 0)                                                                      \
                    AZ_DOWN(s0, 0, sum0)                                                           \
                if (left > 1)                                                                      \
                    AZ_DOWN(s1, 1, sum0)                                                           \
                if (left > 2)                                                                      \
                    AZ_DOWN(s2, 2, sum0)                                                           \
                if (left > 3)                                                                      \
                    AZ_DOWN(s3, 3, sum0)                                                           \
                if (left > 4)                                                                      \
                    AZ_DOWN(s4, 4, sum0)                                                           \
                if (left > 5)                                                                      \
                    AZ_DOWN(s5, 5, sum0)                                                           \
                if (left > 6)                                                                      \
                    AZ_DOWN(s6, 6, sum0)                                                           \
                *(AZ_VEC *)(total0 + l) = AZ_TREE(s0, s1, s2, s3, s4, s5, s6, s7);                 \
            }                                                                                      \
            AZ_FINISH(o + (i * F + j) * AZ_L, expression)                                          \
        }                                                                                          \
    AZ_END
#define AZ_COLUMNS1(name, rows, count, sum0, expression)                                           \
    AZ_COLUMNS(name, rows, pa, pa, sum0, expression)
#define AZ_COLUMNS2(name, rows, count, sum0, expression)                                           \
    AZ_COLUMNS(name, rows, pa + i * column, pb, sum0, expression)
#endif

#include "_generated/bodies.h"

/* Exact copies, for ops that must not write over an operand. */
AZ_MAP1(copy_vector, F, SAME, a)
AZ_MAP1(copy_matrix, F *F, SAME, a)

static void AZ_NAME(sigmoid)(double *prediction)
{
    AZ_SIMD for (int l = 0; l < AZ_L; ++l) prediction[l] = az_sigmoid(prediction[l]);
}

/* exp(x - max) / total, the total in the order of every other sum; any NaN makes all NaN. */
static void AZ_NAME(softmax)(double *prediction, int64_t classes)
{
    for (int l = 0; l < AZ_L; ++l) {
        double *p = prediction + l;
        double top = p[0], s[8] = {-0.0, -0.0, -0.0, -0.0, -0.0, -0.0, -0.0, -0.0};
        for (int64_t c = 1; c < classes; ++c)
            top = p[c * AZ_L] > top ? p[c * AZ_L] : top;
        for (int64_t c = 0; c < classes; ++c) {
            p[c * AZ_L] = az_exp(p[c * AZ_L] - top);
            s[c & 7] += p[c * AZ_L];
        }
        const double total = AZ_TREE(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]);
        for (int64_t c = 0; c < classes; ++c)
            p[c * AZ_L] /= total;
    }
}

static uint32_t AZ_NAME(exceeds)(const double *label, const double *prediction, double limit)
{
    uint32_t lanes = 0;
    for (int l = 0; l < AZ_L; ++l)
        lanes |= (uint32_t) !(fabs(label[l] - prediction[l]) <= limit) << l;
    return lanes;
}

static uint32_t AZ_NAME(exceeds_classes)(
    const double *label, const double *prediction, int64_t classes, double limit)
{
    uint32_t lanes = 0;
    for (int64_t c = 0; c < classes; ++c)
        for (int l = 0; l < AZ_L; ++l) {
            const double target = label[l] == (double)c ? 1.0 : 0.0;
            lanes |= (uint32_t) !(fabs(target - prediction[c * AZ_L + l]) <= limit) << l;
        }
    return lanes;
}

static uint32_t AZ_NAME(score_squares)(
    double *total, const double *label, const double *prediction, double limit)
{
    uint32_t lanes = 0;
    for (int l = 0; l < AZ_L; ++l) {
        const double error = label[l] - prediction[l];
        const int within = fabs(error) <= limit;
        lanes |= (uint32_t)!within << l;
        total[l] += within ? error * error : 0.0;
    }
    return lanes;
}

/* A NaN logit counts as class 0. */
static void AZ_NAME(score_binary)(double *total, const double *label, const double *prediction)
{
    AZ_SIMD for (int l = 0; l < AZ_L; ++l)
    {
        const double one = label[l] > 0.5 ? 1.0 : 0.0;
        const double guess = az_sigmoid(prediction[l]) > 0.5 ? 1.0 : 0.0;
        total[l] += one == guess ? 1.0 : 0.0;
    }
}

/* The last of equal entries wins; a NaN never does, except that entry 0 stands if it is one. */
static void AZ_NAME(score_classes)(
    double *total, const double *label, const double *prediction, int64_t classes)
{
    for (int l = 0; l < AZ_L; ++l) {
        double top = prediction[l];
        int64_t guess = 0;
        for (int64_t c = 1; c < classes; ++c)
            if (prediction[c * AZ_L + l] >= top) {
                top = prediction[c * AZ_L + l];
                guess = c;
            }
        total[l] += label[l] == (double)guess ? 1.0 : 0.0;
    }
}

#undef AZ_NAME
#undef AZ_BEGIN
#undef AZ_END
#undef AZ_LANE
#undef AZ_SAME
#undef AZ_ROW
#undef AZ_COLUMN
#undef AZ_SWAPPED
#undef AZ_EACH_ENTRY
#undef AZ_EACH_COLUMN
#undef AZ_MAP1
#undef AZ_MAP2
#undef AZ_GRID1
#undef AZ_GRID2
#undef AZ_MATH
#undef AZ_NOTHING
#undef AZ_ENTRY
#undef AZ_RANDOM
#undef AZ_V
#undef AZ_VEC
#undef AZ_VEC_NONE
#undef AZ_TERM
#undef AZ_TOTAL
#undef AZ_FINISH
#undef AZ_ROWS1
#undef AZ_ROWS2
#undef AZ_DOWN
#undef AZ_COLUMNS
#undef AZ_COLUMNS1
#undef AZ_COLUMNS2
