/* The loops of the kernels for AZ_L lanes; kernels.c takes this file in once per number of lanes.
 *
 * `bodies.h`, generated from the op table, fills the loops with the ops' expressions over the
 * entries `a` and `b`. Elementwise loops are left to the compiler's vectoriser (`omp simd` only
 * says that iterations are independent; an output may be one of the operands, at the same
 * offsets). Sums are written with vectors of lanes, because their order is part of the meaning and
 * eight running sums must stay in registers.
 */

#define AZ_NAME(name) AZ_GLUE(name, AZ_L)

/* A kernel in two forms: for one example, and for a block of them. The body sees the output `o`,
 * the operands `pa`, `pb`, `pc`, and `F`; it may use `in`, `keys` and `step` to draw numbers. The
 * first form must stay free of the second's bookkeeping: it is most of the running time of small
 * programs. Each ends by jumping to the next step's kernel (a call in tail position, which compilers
 * turn into a jump), so that every kernel has an indirect branch of its own to predict; the step
 * behind a function's last one returns. */
#define AZ_BEGIN(name)                                                              \
    static inline __attribute__((always_inline)) void AZ_NAME(name##_body)(         \
        double *o, const double *pa, const double *pb, const double *pc, int64_t F, \
        const az_step *in, const uint64_t *keys, uint64_t step)                     \
    {                                                                               \
        (void)o, (void)pa, (void)pb, (void)pc, (void)F, (void)in, (void)keys, (void)step;
#define AZ_END(name)                                                                   \
    }                                                                                  \
    static void AZ_NAME(name)(const az_step *in, const az_frame *frame)                \
    {                                                                                  \
        AZ_NAME(name##_body)                                                           \
        (in->out, in->a, in->b, in->c, frame->features, in, frame->keys, frame->step); \
        in[1].kernel(in + 1, frame);                                                   \
    }                                                                                  \
    static void AZ_NAME(name##_block)(const az_step *in, const az_frame *frame)        \
    {                                                                                  \
        const int64_t F = frame->features, *stride = in->stride;                       \
        for (int64_t k = 0; k < frame->block; ++k)                                     \
            AZ_NAME(name##_body)                                                       \
        (in->out + k * stride[0], in->a + k * stride[1], in->b + k * stride[2],        \
         in->c + k * stride[3], F, in, frame->keys, frame->step + (uint64_t)k);        \
        in[1].block_kernel(in + 1, frame);                                             \
    }

/* Offsets of an operand's value for entry e = (i, j) of the result, lane l. */
#define AZ_LANE (l)
#define AZ_SPREAD (l)
#define AZ_SAME (e * AZ_L + l)
#define AZ_ROW (i * AZ_L + l)
#define AZ_COLUMN (j * AZ_L + l)
#define AZ_SWAPPED ((j * F + i) * AZ_L + l)

/* Operands of another type than the result lie elsewhere, so loads of them can leave the loop. */
#define AZ_POINTER_LANE *
#define AZ_POINTER_SAME *
#define AZ_POINTER_SPREAD *restrict
#define AZ_POINTER_ROW *restrict
#define AZ_POINTER_COLUMN *restrict
#define AZ_POINTER_SWAPPED *restrict

#if AZ_L == 1
#define AZ_EACH_ENTRY(count)         \
    const int64_t entries = (count); \
    const int l = 0;                 \
    AZ_SIMD for (int64_t e = 0; e < entries; ++e)
#define AZ_EACH_COLUMN(...)                 \
    const int l = 0;                        \
    AZ_SIMD for (int64_t j = 0; j < F; ++j) \
    {                                       \
        __VA_ARGS__                         \
    }
#else
#define AZ_EACH_ENTRY(count)              \
    const int64_t entries = (count);      \
    for (int64_t e = 0; e < entries; ++e) \
    AZ_SIMD for (int l = 0; l < AZ_L; ++l)
#define AZ_EACH_COLUMN(...)                    \
    for (int64_t j = 0; j < F; ++j)            \
        AZ_SIMD for (int l = 0; l < AZ_L; ++l) \
        {                                      \
            __VA_ARGS__                        \
        }
#endif

/* Entry by entry. */
#define AZ_MAP1(name, count, offset_a, expression) \
    AZ_BEGIN(name)                                 \
    const double AZ_POINTER_##offset_a xa = pa;    \
    AZ_EACH_ENTRY(count)                           \
    {                                              \
        const double a = xa[AZ_##offset_a];        \
        o[AZ_SAME] = expression;                   \
    }                                              \
    AZ_END(name)
#define AZ_MAP2(name, count, offset_a, offset_b, expression)       \
    AZ_BEGIN(name)                                                 \
    const double AZ_POINTER_##offset_a xa = pa;                    \
    const double AZ_POINTER_##offset_b xb = pb;                    \
    AZ_EACH_ENTRY(count)                                           \
    {                                                              \
        const double a = xa[AZ_##offset_a], b = xb[AZ_##offset_b]; \
        o[AZ_SAME] = expression;                                   \
    }                                                              \
    AZ_END(name)
#define AZ_MAP3(name, count, offset_a, offset_b, offset_c, expression)                    \
    AZ_BEGIN(name)                                                                        \
    const double AZ_POINTER_##offset_a xa = pa;                                           \
    const double AZ_POINTER_##offset_b xb = pb;                                           \
    const double AZ_POINTER_##offset_c xc = pc;                                           \
    AZ_EACH_ENTRY(count)                                                                  \
    {                                                                                     \
        const double a = xa[AZ_##offset_a], b = xb[AZ_##offset_b], c = xc[AZ_##offset_c]; \
        (void)b;                                                                          \
        o[AZ_SAME] = expression;                                                          \
    }                                                                                     \
    AZ_END(name)

/* A matrix from operands that are read by row, by column or transposed; never over an operand. */
#define AZ_GRID1(name, offset_a, expression)                                             \
    AZ_BEGIN(name)                                                                       \
    const double AZ_POINTER_##offset_a xa = pa;                                          \
    for (int64_t i = 0; i < F; ++i) {                                                    \
        double *row = o + i * F * AZ_L;                                                  \
        AZ_EACH_COLUMN(const double a = xa[AZ_##offset_a]; row[AZ_COLUMN] = expression;) \
    }                                                                                    \
    AZ_END(name)
#define AZ_GRID2(name, offset_a, offset_b, expression)                 \
    AZ_BEGIN(name)                                                     \
    const double AZ_POINTER_##offset_a xa = pa;                        \
    const double AZ_POINTER_##offset_b xb = pb;                        \
    for (int64_t i = 0; i < F; ++i) {                                  \
        double *row = o + i * F * AZ_L;                                \
        AZ_EACH_COLUMN(                                                \
            const double a = xa[AZ_##offset_a], b = xb[AZ_##offset_b]; \
            row[AZ_COLUMN] = expression;)                              \
    }                                                                  \
    AZ_END(name)

/* The functions of azmath.h on all lanes of a scalar. */
#define AZ_MATH(name, function) \
    AZ_BEGIN(name)              \
    function(o, pa, AZ_L);      \
    AZ_END(name)

#define AZ_NOTHING(name) \
    AZ_BEGIN(name)       \
    AZ_END(name)

/* One entry; the others stay. */
#define AZ_ENTRY(name)                            \
    AZ_BEGIN(name)                                \
    for (int l = 0; l < AZ_L; ++l)                \
        o[(int64_t)in->place * AZ_L + l] = pa[l]; \
    AZ_END(name)

/* Independent draws; `a` and `b` are the constants, `u` and `w` uniform on (0, 1). */
#define AZ_RANDOM(name, count, expression)                                                    \
    AZ_BEGIN(name)                                                                            \
    AZ_EACH_ENTRY(count)                                                                      \
    {                                                                                         \
        const az_draw draw = az_philox(keys[l], (uint32_t)e, in->place, step);                \
        const double a = pa[l], b = pb[l], u = az_unit(draw.first), w = az_unit(draw.second); \
        (void)w;                                                                              \
        o[AZ_SAME] = expression;                                                              \
    }                                                                                         \
    AZ_END(name)

/* Sums: AZ_TOTAL(name, expression) defines a function for the total over entries e < n of an
 * expression in a = pa[e] and b = pb[e], for all lanes; AZ_PRODUCT, AZ_GRID3 and AZ_COLUMNS are
 * whole kernels. */
#if AZ_L == 1
#include "sums_one.h"
#else
#include "sums_many.h"
#endif

#define AZ_FINISH(sum, expression)                   \
    AZ_SIMD for (int l = 0; l < AZ_L; ++l)           \
    {                                                \
        const double t0 = total0[l], t1 = total1[l]; \
        (void)t1, (void)n;                           \
        (sum)[l] = expression;                       \
    }

/* Totals along rows: contiguous entries; the second operand is the same for every row. One total
 * is made where its result goes: copied there in smaller pieces than registers, it would keep
 * waiting who reads it next. */
#define AZ_ROWS1(name, rows, count, operand_b, sum0, expression)                          \
    AZ_TOTAL(name##_total0, sum0)                                                         \
    AZ_BEGIN(name)                                                                        \
    const int64_t length = (count), lines = (rows);                                       \
    const double n = (double)length;                                                      \
    for (int64_t i = 0; i < lines; ++i) {                                                 \
        double *total0 = o + i * AZ_L;                                                    \
        const double *total1 = total0, *line = pa + i * length * AZ_L;                    \
        AZ_NAME(name##_total0)(total0, line, operand_b == pa ? line : operand_b, length); \
        AZ_FINISH(total0, expression)                                                     \
    }                                                                                     \
    AZ_END(name)
#define AZ_ROWS2(name, rows, count, operand_b, sum0, sum1, expression) \
    AZ_TOTAL(name##_total0, sum0)                                      \
    AZ_TOTAL(name##_total1, sum1)                                      \
    AZ_BEGIN(name)                                                     \
    const int64_t length = (count), lines = (rows);                    \
    const double n = (double)length;                                   \
    for (int64_t i = 0; i < lines; ++i) {                              \
        double total0[AZ_L], total1[AZ_L];                             \
        const double *line = pa + i * length * AZ_L;                   \
        AZ_NAME(name##_total0)(total0, line, line, length);            \
        AZ_NAME(name##_total1)(total1, line, line, length);            \
        AZ_FINISH(o + i * AZ_L, expression)                            \
    }                                                                  \
    AZ_END(name)

#include "_generated/bodies.h"

/* Exact copies, for ops that must not write over an operand. */
AZ_MAP1(copy_vector, F, SAME, a)
AZ_MAP1(copy_matrix, F *F, SAME, a)

/* gaussian, of any type, with the normal numbers `c`. */
AZ_MAP3(gaussian_of, in->place, SPREAD, SPREAD, SAME, a + b * c)

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

static inline __attribute__((always_inline)) void AZ_NAME(judge_body)(
    double *bad,
    const double *label,
    const double *prediction,
    int64_t stride,
    int64_t count,
    double limit)
{
    for (int64_t k = 0; k < count; ++k)
        AZ_SIMD for (int l = 0; l < AZ_L; ++l)
        {
            const int within = fabs(label[k * AZ_L + l] - prediction[k * stride + l]) <= limit;
            bad[l] += (within & (bad[l] == 0.0)) ? 0.0 : 1.0;
        }
}

static void AZ_NAME(judge)(
    double *bad,
    const double *label,
    const double *prediction,
    int64_t stride,
    int64_t count,
    double limit)
{
    AZ_NAME(judge_body)(bad, label, prediction, stride, count, limit);
}

static void AZ_NAME(judge_step)(const az_step *in, const az_frame *frame)
{
    AZ_NAME(judge_body)(in->out, in->a, in->b, AZ_L, 1, frame->limit);
    if (frame->kept)
        memcpy(frame->kept, in->b, AZ_L * sizeof *in->b);
    in[1].kernel(in + 1, frame);
}

/* The prediction, which is the step's operand, becomes what Learn sees of it. */
static void AZ_NAME(judge_step_binary)(const az_step *in, const az_frame *frame)
{
    AZ_NAME(sigmoid)((double *)in->b);
    AZ_NAME(judge_step)(in, frame);
}

static void AZ_NAME(judge_classes)(
    double *bad, const double *label, const double *prediction, int64_t classes, double limit)
{
    double beyond[AZ_L];
    memcpy(beyond, bad, sizeof beyond);
    for (int64_t c = 0; c < classes; ++c)
        AZ_SIMD for (int l = 0; l < AZ_L; ++l)
        {
            const double target = label[l] == (double)c ? 1.0 : 0.0;
            beyond[l] += fabs(target - prediction[c * AZ_L + l]) <= limit ? 0.0 : 1.0;
        }
    AZ_SIMD for (int l = 0; l < AZ_L; ++l) bad[l] += beyond[l] > 0.0 ? 1.0 : 0.0;
}

/* Totals stay in registers. */
static uint32_t AZ_NAME(score_squares)(
    double *total,
    const double *label,
    const double *prediction,
    int64_t stride,
    int64_t count,
    double limit)
{
    int64_t beyond[AZ_L];
#if AZ_L == 1
    double sum = *total;
    *beyond = 0;
    for (int64_t k = 0; k < count; ++k) {
        const double error = label[k] - prediction[k * stride];
        const int within = fabs(error) <= limit;
        sum += within ? error * error : 0.0;
        *beyond |= !within;
    }
    *total = sum;
#else
    const AZ_VEC most = AZ_FILL(limit), least = -most;
#define AZ_OPEN(i, ...)                              \
    AZ_VEC sum##i = AZ_AT(AZ_VEC, total + i * AZ_V); \
    AZ_MASK over##i = {0};
#define AZ_SCORE(i, ...)                                                        \
    {                                                                           \
        const AZ_VEC error = AZ_AT(AZ_VEC, label + k * AZ_L + i * AZ_V) -       \
                             AZ_AT(AZ_VEC, prediction + k * stride + i * AZ_V); \
        const AZ_MASK within = (AZ_MASK)((error <= most) & (error >= least));   \
        sum##i += (AZ_VEC)((AZ_MASK)(error * error) & within);                  \
        over##i |= ~within;                                                     \
    }
#define AZ_CLOSE(i, ...)                    \
    *(AZ_VEC *)(total + i * AZ_V) = sum##i; \
    memcpy(beyond + i * AZ_V, &over##i, sizeof over##i);
    AZ_EACH_CHUNK(AZ_OPEN, )
    for (int64_t k = 0; k < count; ++k) {
        AZ_EACH_CHUNK(AZ_SCORE, )
    }
    AZ_EACH_CHUNK(AZ_CLOSE, )
#undef AZ_OPEN
#undef AZ_SCORE
#undef AZ_CLOSE
#endif
    uint32_t lanes = 0;
    for (int l = 0; l < AZ_L; ++l)
        lanes |= (uint32_t)(beyond[l] != 0) << l;
    return lanes;
}

/* A NaN logit counts as class 0. */
static void AZ_NAME(score_binary)(
    double *total, const double *label, const double *prediction, int64_t stride, int64_t count)
{
    for (int64_t k = 0; k < count; ++k)
        AZ_SIMD for (int l = 0; l < AZ_L; ++l)
        {
            const double one = label[k * AZ_L + l] > 0.5 ? 1.0 : 0.0;
            const double guess = az_sigmoid(prediction[k * stride + l]) > 0.5 ? 1.0 : 0.0;
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

/* All of it again for the next number of lanes. */
#undef AZ_NAME
#undef AZ_BEGIN
#undef AZ_END
#undef AZ_LANE
#undef AZ_SPREAD
#undef AZ_SAME
#undef AZ_ROW
#undef AZ_COLUMN
#undef AZ_SWAPPED
#undef AZ_POINTER_LANE
#undef AZ_POINTER_SAME
#undef AZ_POINTER_SPREAD
#undef AZ_POINTER_ROW
#undef AZ_POINTER_COLUMN
#undef AZ_POINTER_SWAPPED
#undef AZ_EACH_ENTRY
#undef AZ_EACH_COLUMN
#undef AZ_MAP1
#undef AZ_MAP2
#undef AZ_MAP3
#undef AZ_GRID1
#undef AZ_GRID2
#undef AZ_MATH
#undef AZ_NOTHING
#undef AZ_ENTRY
#undef AZ_RANDOM
#undef AZ_FINISH
#undef AZ_ROWS1
#undef AZ_ROWS2
#include "sums_end.h"
