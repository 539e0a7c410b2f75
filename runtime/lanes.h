/* The loops of the kernels for AZ_L lanes; kernels.c takes this file in once per number of lanes.
 *
 * `bodies.h`, generated from the op table, fills the loops with the ops' expressions over the
 * entries `a` and `b`. Elementwise loops are left to the compiler's vectoriser (`omp simd` only
 * says that iterations are independent; an output may be one of the operands, at the same
 * places). Sums are written with vectors of lanes, because their order is part of the meaning and
 * eight running sums must stay in registers.
 */

#define AZ_NAME(name) AZ_GLUE(name, AZ_L)

/* A kernel in two forms: for one example, and for a block of them. The body sees the output `o`,
 * the operands `pa`, `pb`, `pc`, and `F`; it may use `in`, `keys` and `step` to draw numbers. The
 * first form must stay free of the second's bookkeeping: it is most of the running time of small
 * programs. Each ends by jumping to the next step's kernel (a call in tail position, which compilers
 * turn into a jump), so that every kernel has an indirect branch of its own to predict; the step
 * behind a function's last one returns. */
#define AZ_BEGIN(name)                                                                             \
    static inline __attribute__((always_inline)) void AZ_NAME(name##_body)(                        \
        double *o, const double *pa, const double *pb, const double *pc, int64_t F,                \
        const az_step *in, const uint64_t *keys, uint64_t step)                                    \
    {                                                                                              \
        (void)o, (void)pa, (void)pb, (void)pc, (void)F, (void)in, (void)keys, (void)step;
#define AZ_END(name)                                                                               \
    }                                                                                              \
    static void AZ_NAME(name)(const az_step *in, const az_frame *frame)                            \
    {                                                                                              \
        AZ_NAME(name##_body)                                                                       \
        (in->out, in->a, in->b, in->c, frame->features, in, frame->keys, frame->step);             \
        in[1].kernel(in + 1, frame);                                                               \
    }                                                                                              \
    static void AZ_NAME(name##_block)(const az_step *in, const az_frame *frame)                    \
    {                                                                                              \
        const int64_t F = frame->features, *stride = in->stride;                                   \
        for (int64_t k = 0; k < frame->block; ++k)                                                 \
            AZ_NAME(name##_body)                                                                   \
            (in->out + k * stride[0], in->a + k * stride[1], in->b + k * stride[2],                \
             in->c + k * stride[3], F, in, frame->keys, frame->step + (uint64_t)k);                \
        in[1].block_kernel(in + 1, frame);                                                         \
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
#define AZ_EACH_ENTRY(count)                                                                       \
    const int64_t entries = (count);                                                               \
    const int l = 0;                                                                               \
    AZ_SIMD for (int64_t e = 0; e < entries; ++e)
#define AZ_EACH_COLUMN(...)                                                                        \
    const int l = 0;                                                                               \
    AZ_SIMD for (int64_t j = 0; j < F; ++j)                                                        \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#else
#define AZ_EACH_ENTRY(count)                                                                       \
    const int64_t entries = (count);                                                               \
    for (int64_t e = 0; e < entries; ++e)                                                          \
        AZ_SIMD for (int l = 0; l < AZ_L; ++l)
#define AZ_EACH_COLUMN(...)                                                                        \
    for (int64_t j = 0; j < F; ++j)                                                                \
        AZ_SIMD for (int l = 0; l < AZ_L; ++l)                                                     \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }
#endif

/* Entry by entry. */
#define AZ_MAP1(name, count, place_a, expression)                                                  \
    AZ_BEGIN(name)                                                                                 \
    const double AZ_POINTER_##place_a xa = pa;                                                     \
    AZ_EACH_ENTRY(count)                                                                           \
    {                                                                                              \
        const double a = xa[AZ_##place_a];                                                         \
        o[AZ_SAME] = expression;                                                                   \
    }                                                                                              \
    AZ_END(name)
#define AZ_MAP2(name, count, place_a, place_b, expression)                                         \
    AZ_BEGIN(name)                                                                                 \
    const double AZ_POINTER_##place_a xa = pa;                                                     \
    const double AZ_POINTER_##place_b xb = pb;                                                     \
    AZ_EACH_ENTRY(count)                                                                           \
    {                                                                                              \
        const double a = xa[AZ_##place_a], b = xb[AZ_##place_b];                                   \
        o[AZ_SAME] = expression;                                                                   \
    }                                                                                              \
    AZ_END(name)
#define AZ_MAP3(name, count, place_a, place_b, place_c, expression)                                \
    AZ_BEGIN(name)                                                                                 \
    const double AZ_POINTER_##place_a xa = pa;                                                     \
    const double AZ_POINTER_##place_b xb = pb;                                                     \
    const double AZ_POINTER_##place_c xc = pc;                                                     \
    AZ_EACH_ENTRY(count)                                                                           \
    {                                                                                              \
        const double a = xa[AZ_##place_a], b = xb[AZ_##place_b], c = xc[AZ_##place_c];             \
        (void)b;                                                                                   \
        o[AZ_SAME] = expression;                                                                   \
    }                                                                                              \
    AZ_END(name)

/* A matrix from operands that are read by row, by column or transposed; never in place. */
#define AZ_GRID1(name, place_a, expression)                                                        \
    AZ_BEGIN(name)                                                                                 \
    const double AZ_POINTER_##place_a xa = pa;                                                     \
    for (int64_t i = 0; i < F; ++i) {                                                              \
        double *row = o + i * F * AZ_L;                                                            \
        AZ_EACH_COLUMN(const double a = xa[AZ_##place_a];                                          \
                       row[AZ_COLUMN] = expression;)                                               \
    }                                                                                              \
    AZ_END(name)
#define AZ_GRID2(name, place_a, place_b, expression)                                               \
    AZ_BEGIN(name)                                                                                 \
    const double AZ_POINTER_##place_a xa = pa;                                                     \
    const double AZ_POINTER_##place_b xb = pb;                                                     \
    for (int64_t i = 0; i < F; ++i) {                                                              \
        double *row = o + i * F * AZ_L;                                                            \
        AZ_EACH_COLUMN(const double a = xa[AZ_##place_a], b = xb[AZ_##place_b];                    \
                       row[AZ_COLUMN] = expression;)                                               \
    }                                                                                              \
    AZ_END(name)

/* The functions of azmath.h on all lanes of a scalar. */
#define AZ_MATH(name, function)                                                                    \
    AZ_BEGIN(name)                                                                                 \
    function(o, pa, AZ_L);                                                                         \
    AZ_END(name)

#define AZ_NOTHING(name)                                                                           \
    AZ_BEGIN(name)                                                                                 \
    AZ_END(name)

/* One entry; the others stay. */
#define AZ_ENTRY(name)                                                                             \
    AZ_BEGIN(name)                                                                                 \
    for (int l = 0; l < AZ_L; ++l)                                                                 \
        o[(int64_t)in->place * AZ_L + l] = pa[l];                                                  \
    AZ_END(name)

/* Independent draws; `a` and `b` are the constants, `u` and `w` uniform on (0, 1). */
#define AZ_RANDOM(name, count, expression)                                                         \
    AZ_BEGIN(name)                                                                                 \
    AZ_EACH_ENTRY(count)                                                                           \
    {                                                                                              \
        const az_draw draw = az_philox(keys[l], (uint32_t)e, in->place, step);              \
        const double a = pa[l], b = pb[l], u = az_unit(draw.first), w = az_unit(draw.second);      \
        (void)w;                                                                                   \
        o[AZ_SAME] = expression;                                                                   \
    }                                                                                              \
    AZ_END(name)

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

typedef int64_t az_i8 __attribute__((vector_size(64), aligned(8), may_alias));

/* Keeps the first `count` of the values, the others absent. */
static inline void az_first(az_v8 *values, int64_t count)
{
    static const int64_t mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
    const az_v8 none = AZ_NONE_v8;
    const az_i8 keep = *(const az_i8 *)(mask + 8 - count);
    *(az_i8 *)values = (*(const az_i8 *)values & keep) | (*(const az_i8 *)&none & ~keep);
}

/* `count` < 8 values and zeros; by cases, because copies of unknown length are calls. */
static inline void az_part(az_v8 *to, const double *from, int64_t count)
{
    double values[8] = {0.0};
    if (count & 4)
        memcpy(values, from, 4 * sizeof *values);
    if (count & 2)
        memcpy(values + (count & 4), from + (count & 4), 2 * sizeof *values);
    if (count & 1)
        values[count - 1] = from[count - 1];
    memcpy(to, values, sizeof values);
}

/* The eight partial sums added in their order, which halves the vector three times. */
static inline double az_fold(const az_v8 *sum)
{
    const az_v8 s = *sum;
#if defined(__clang__) || __GNUC__ >= 12
    const az_v4 t = __builtin_shufflevector(s, s, 0, 1, 2, 3) +
                    __builtin_shufflevector(s, s, 4, 5, 6, 7);
    const az_v2 u = __builtin_shufflevector(t, t, 0, 1) + __builtin_shufflevector(t, t, 2, 3);
    return u[0] + u[1];
#else
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
#endif
}

/* az_fold of eight sums at once, two at a time sharing each addition. */
static inline void az_fold8(double *out, const az_v8 *s)
{
#if defined(__clang__) || __GNUC__ >= 12
#define AZ_MIX(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#define AZ_HALVES(x, y)                                                                            \
    (AZ_MIX(x, y, 0, 1, 2, 3, 8, 9, 10, 11) + AZ_MIX(x, y, 4, 5, 6, 7, 12, 13, 14, 15))
#define AZ_PAIRS(x, y)                                                                             \
    (AZ_MIX(x, y, 0, 1, 4, 5, 8, 9, 12, 13) + AZ_MIX(x, y, 2, 3, 6, 7, 10, 11, 14, 15))
#define AZ_SINGLES(x, y)                                                                           \
    (AZ_MIX(x, y, 0, 2, 4, 6, 8, 10, 12, 14) + AZ_MIX(x, y, 1, 3, 5, 7, 9, 11, 13, 15))
    const az_v8 a = AZ_HALVES(s[0], s[1]), b = AZ_HALVES(s[2], s[3]);
    const az_v8 c = AZ_HALVES(s[4], s[5]), d = AZ_HALVES(s[6], s[7]);
    const az_v8 e = AZ_PAIRS(a, b), f = AZ_PAIRS(c, d);
    *(az_v8 *)out = AZ_SINGLES(e, f);
#else
    for (int r = 0; r < 8; ++r)
        out[r] = az_fold(s + r);
#endif
}

#define AZ_TREE(s0, s1, s2, s3, s4, s5, s6, s7)                                                    \
    ((((s0) + (s4)) + ((s2) + (s6))) + (((s1) + (s5)) + ((s3) + (s7))))
#endif
#define AZ_VEC AZ_GLUE(az, AZ_GLUE_V(AZ_V))
#define AZ_VEC_NONE AZ_GLUE(AZ_NONE, AZ_GLUE_V(AZ_V))
#ifndef AZ_GLUE_V
#define AZ_GLUE_V2(x) v##x
#define AZ_GLUE_V(x) AZ_GLUE_V2(x)
#endif

/* The same with a third operand of the result's own shape, which may be the result: products of
 * two vectors added to a matrix and the like. With vectors of lanes, because compilers would load
 * the row's operand anew for every entry. */
#if AZ_L == 1
#define AZ_GRID3(name, expression)                                                                 \
    AZ_BEGIN(name)                                                                                 \
    for (int64_t i = 0; i < F; ++i) {                                                              \
        const double x = pa[i], *row_c = pc + i * F;                                               \
        double *row = o + i * F;                                                                   \
        int64_t j = 0;                                                                             \
        for (; j + 8 <= F; j += 8) {                                                               \
            const az_v8 a = {x, x, x, x, x, x, x, x};                                              \
            const az_v8 b = AZ_AT(az_v8, pb + j), c = AZ_AT(az_v8, row_c + j);                     \
            *(az_v8 *)(row + j) = expression;                                                      \
        }                                                                                          \
        for (; j < F; ++j) {                                                                       \
            const double a = x, b = pb[j], c = row_c[j];                                           \
            row[j] = expression;                                                                   \
        }                                                                                          \
    }                                                                                              \
    AZ_END(name)
#else
#define AZ_GRID3(name, expression)                                                                 \
    AZ_BEGIN(name)                                                                                 \
    for (int64_t i = 0; i < F; ++i)                                                                \
        for (int l = 0; l < AZ_L; l += AZ_V) {                                                     \
            const AZ_VEC a = AZ_AT(AZ_VEC, pa + i * AZ_L + l);                                     \
            const double *row_c = pc + i * F * AZ_L + l;                                           \
            double *row = o + i * F * AZ_L + l;                                                    \
            for (int64_t j = 0; j < F; ++j) {                                                      \
                const AZ_VEC b = AZ_AT(AZ_VEC, pb + j * AZ_L + l);                                 \
                const AZ_VEC c = AZ_AT(AZ_VEC, row_c + j * AZ_L);                                  \
                *(AZ_VEC *)(row + j * AZ_L) = expression;                                          \
            }                                                                                      \
        }                                                                                          \
    AZ_END(name)
#endif

/* x + -0.0 is x, so a partial sum may as well begin with its first addend: that is shorter.
 *
 * AZ_TOTAL: function `name`, the total over entries e < n of an expression in
 * a = pa[e * step_a], b = pb[e * step_b], for all lanes; steps count entries. */
#if AZ_L == 1
#define AZ_TOTAL(name, expression)                                                                 \
    static inline __attribute__((always_inline)) void AZ_NAME(name)(                               \
        double *total, const double *pa, const double *pb, int64_t n)                              \
    {                                                                                              \
        az_v8 sum = AZ_NONE_v8;                                                                    \
        int64_t e = 0;                                                                             \
        for (; e + 8 <= n; e += 8) {                                                               \
            const az_v8 a = AZ_AT(az_v8, pa + e), b = AZ_AT(az_v8, pb + e);                        \
            (void)b;                                                                               \
            sum += expression;                                                                     \
        }                                                                                          \
        if (e < n) {                                                                               \
            az_v8 a, b;                                                                            \
            az_part(&a, pa + e, n - e);                                                            \
            az_part(&b, pb + e, n - e);                                                            \
            az_v8 last = expression;                                                               \
            az_first(&last, n - e);                                                                \
            sum += last;                                                                           \
        }                                                                                          \
        *total = az_fold(&sum);                                                                    \
    }
#else
#define AZ_TERM(to, k, expression)                                                                 \
    {                                                                                              \
        const AZ_VEC a = AZ_AT(AZ_VEC, qa + (k) * AZ_L), b = AZ_AT(AZ_VEC, qb + (k) * AZ_L);       \
        (void)b;                                                                                   \
        to expression;                                                                             \
    }
#define AZ_TOTAL(name, expression)                                                                 \
    static inline __attribute__((always_inline)) void AZ_NAME(name)(                               \
        double *total, const double *pa, const double *pb, int64_t n)                              \
    {                                                                                              \
        for (int l = 0; l < AZ_L; l += AZ_V) {                                                     \
            const double *qa = pa + l, *qb = pb + l;                                               \
            AZ_VEC s0, s1 = AZ_VEC_NONE, s2 = s1, s3 = s1, s4 = s1, s5 = s1, s6 = s1, s7 = s1;     \
            AZ_TERM(s0 =, 0, expression)                                                           \
            if (n <= 4) {                                                                          \
                if (n > 1)                                                                         \
                    AZ_TERM(s1 =, 1, expression)                                                   \
                if (n > 2)                                                                         \
                    AZ_TERM(s2 =, 2, expression)                                                   \
                if (n > 3)                                                                         \
                    AZ_TERM(s3 =, 3, expression)                                                   \
                *(AZ_VEC *)(total + l) = (s0 + s2) + (s1 + s3);                                    \
                continue;                                                                          \
            }                                                                                      \
            AZ_TERM(s1 =, 1, expression)                                                           \
            AZ_TERM(s2 =, 2, expression)                                                           \
            AZ_TERM(s3 =, 3, expression)                                                           \
            AZ_TERM(s4 =, 4, expression)                                                           \
            if (n > 5)                                                                             \
                AZ_TERM(s5 =, 5, expression)                                                       \
            if (n > 6)                                                                             \
                AZ_TERM(s6 =, 6, expression)                                                       \
            if (n > 7)                                                                             \
                AZ_TERM(s7 =, 7, expression)                                                       \
            int64_t left = n - 8;                                                                  \
            for (qa += 8 * AZ_L, qb += 8 * AZ_L; left >= 8;                                        \
                 left -= 8, qa += 8 * AZ_L, qb += 8 * AZ_L) {                                      \
                AZ_TERM(s0 +=, 0, expression)                                                      \
                AZ_TERM(s1 +=, 1, expression)                                                      \
                AZ_TERM(s2 +=, 2, expression)                                                      \
                AZ_TERM(s3 +=, 3, expression)                                                      \
                AZ_TERM(s4 +=, 4, expression)                                                      \
                AZ_TERM(s5 +=, 5, expression)                                                      \
                AZ_TERM(s6 +=, 6, expression)                                                      \
                AZ_TERM(s7 +=, 7, expression)                                                      \
            }                                                                                      \
            if (left > 0)                                                                          \
                AZ_TERM(s0 +=, 0, expression)                                                      \
            if (left > 1)                                                                          \
                AZ_TERM(s1 +=, 1, expression)                                                      \
            if (left > 2)                                                                          \
                AZ_TERM(s2 +=, 2, expression)                                                      \
            if (left > 3)                                                                          \
                AZ_TERM(s3 +=, 3, expression)                                                      \
            if (left > 4)                                                                          \
                AZ_TERM(s4 +=, 4, expression)                                                      \
            if (left > 5)                                                                          \
                AZ_TERM(s5 +=, 5, expression)                                                      \
            if (left > 6)                                                                          \
                AZ_TERM(s6 +=, 6, expression)                                                      \
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
    AZ_END(name)
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
    AZ_END(name)

/* A matrix times a vector, in general: totals along rows with a second operand that is the same
 * for every row, several rows at once where registers allow, to load it less often. */
#if AZ_L == 1
#define AZ_PRODUCT(name, sum0)                                                                     \
    AZ_TOTAL(name##_total0, sum0)                                                                  \
    AZ_BEGIN(name)                                                                                 \
    int64_t i = 0;                                                                                 \
    for (; i + 8 <= F; i += 8) {                                                                   \
        const double *pr = pa + i * F;                                                             \
        const az_v8 none = AZ_NONE_v8;                                                             \
        az_v8 s[8] = {none, none, none, none, none, none, none, none};                             \
        int64_t e = 0;                                                                             \
        for (; e + 8 <= F; e += 8) {                                                               \
            const az_v8 b = AZ_AT(az_v8, pb + e);                                                  \
            AZ_ROW_TERM(0, AZ_AT(az_v8, pr + 0 * F + e), sum0)                                     \
            AZ_ROW_TERM(1, AZ_AT(az_v8, pr + 1 * F + e), sum0)                                     \
            AZ_ROW_TERM(2, AZ_AT(az_v8, pr + 2 * F + e), sum0)                                     \
            AZ_ROW_TERM(3, AZ_AT(az_v8, pr + 3 * F + e), sum0)                                     \
            AZ_ROW_TERM(4, AZ_AT(az_v8, pr + 4 * F + e), sum0)                                     \
            AZ_ROW_TERM(5, AZ_AT(az_v8, pr + 5 * F + e), sum0)                                     \
            AZ_ROW_TERM(6, AZ_AT(az_v8, pr + 6 * F + e), sum0)                                     \
            AZ_ROW_TERM(7, AZ_AT(az_v8, pr + 7 * F + e), sum0)                                     \
        }                                                                                          \
        if (e < F) {                                                                               \
            az_v8 a, b;                                                                            \
            az_part(&b, pb + e, F - e);                                                            \
            for (int r = 0; r < 8; ++r) {                                                          \
                az_part(&a, pr + r * F + e, F - e);                                                \
                az_v8 last = sum0;                                                                 \
                az_first(&last, F - e);                                                            \
                s[r] += last;                                                                      \
            }                                                                                      \
        }                                                                                          \
        az_fold8(o + i, s);                                                                        \
    }                                                                                              \
    for (; i < F; ++i)                                                                             \
        AZ_NAME(name##_total0)(o + i, pa + i * F, pb, F);                                          \
    AZ_END(name)
#define AZ_ROW_TERM(row, load, expression)                                                         \
    {                                                                                              \
        const az_v8 a = load;                                                                      \
        s[row] += expression;                                                                      \
    }
#elif AZ_VECTOR == 8 && AZ_L >= 8 /* 32 registers */
#define AZ_PRODUCT(name, sum0)                                                                     \
    AZ_TOTAL(name##_total0, sum0)                                                                  \
    AZ_BEGIN(name)                                                                                 \
    int64_t i = 0;                                                                                 \
    for (; F >= 8 && i + 2 <= F; i += 2)                                                           \
        for (int l = 0; l < AZ_L; l += 8) {                                                        \
            const double *qa = pa + i * F * AZ_L + l, *qc = qa + F * AZ_L, *qb = pb + l;           \
            az_v8 s0, s1, s2, s3, s4, s5, s6, s7, t0, t1, t2, t3, t4, t5, t6, t7;                  \
            AZ_TWO_TERMS(s0 =, t0 =, 0, sum0)                                                      \
            AZ_TWO_TERMS(s1 =, t1 =, 1, sum0)                                                      \
            AZ_TWO_TERMS(s2 =, t2 =, 2, sum0)                                                      \
            AZ_TWO_TERMS(s3 =, t3 =, 3, sum0)                                                      \
            AZ_TWO_TERMS(s4 =, t4 =, 4, sum0)                                                      \
            AZ_TWO_TERMS(s5 =, t5 =, 5, sum0)                                                      \
            AZ_TWO_TERMS(s6 =, t6 =, 6, sum0)                                                      \
            AZ_TWO_TERMS(s7 =, t7 =, 7, sum0)                                                      \
            int64_t left = F - 8;                                                                  \
            for (qa += 8 * AZ_L, qb += 8 * AZ_L, qc += 8 * AZ_L; left >= 8;                        \
                 left -= 8, qa += 8 * AZ_L, qb += 8 * AZ_L, qc += 8 * AZ_L) {                      \
                AZ_TWO_TERMS(s0 +=, t0 +=, 0, sum0)                                                \
                AZ_TWO_TERMS(s1 +=, t1 +=, 1, sum0)                                                \
                AZ_TWO_TERMS(s2 +=, t2 +=, 2, sum0)                                                \
                AZ_TWO_TERMS(s3 +=, t3 +=, 3, sum0)                                                \
                AZ_TWO_TERMS(s4 +=, t4 +=, 4, sum0)                                                \
                AZ_TWO_TERMS(s5 +=, t5 +=, 5, sum0)                                                \
                AZ_TWO_TERMS(s6 +=, t6 +=, 6, sum0)                                                \
                AZ_TWO_TERMS(s7 +=, t7 +=, 7, sum0)                                                \
            }                                                                                      \
            if (left > 0)                                                                          \
                AZ_TWO_TERMS(s0 +=, t0 +=, 0, sum0)                                                \
            if (left > 1)                                                                          \
                AZ_TWO_TERMS(s1 +=, t1 +=, 1, sum0)                                                \
            if (left > 2)                                                                          \
                AZ_TWO_TERMS(s2 +=, t2 +=, 2, sum0)                                                \
            if (left > 3)                                                                          \
                AZ_TWO_TERMS(s3 +=, t3 +=, 3, sum0)                                                \
            if (left > 4)                                                                          \
                AZ_TWO_TERMS(s4 +=, t4 +=, 4, sum0)                                                \
            if (left > 5)                                                                          \
                AZ_TWO_TERMS(s5 +=, t5 +=, 5, sum0)                                                \
            if (left > 6)                                                                          \
                AZ_TWO_TERMS(s6 +=, t6 +=, 6, sum0)                                                \
            *(az_v8 *)(o + i * AZ_L + l) = AZ_TREE(s0, s1, s2, s3, s4, s5, s6, s7);                \
            *(az_v8 *)(o + (i + 1) * AZ_L + l) = AZ_TREE(t0, t1, t2, t3, t4, t5, t6, t7);          \
        }                                                                                          \
    for (; i < F; ++i)                                                                             \
        AZ_NAME(name##_total0)(o + i * AZ_L, pa + i * F * AZ_L, pb, F);                            \
    AZ_END(name)
#define AZ_TWO_TERMS(to, to_c, k, expression)                                                        \
    {                                                                                              \
        const az_v8 b = AZ_AT(az_v8, qb + (k) * AZ_L);                                             \
        {                                                                                          \
            const az_v8 a = AZ_AT(az_v8, qa + (k) * AZ_L);                                         \
            to expression;                                                                         \
        }                                                                                          \
        {                                                                                          \
            const az_v8 a = AZ_AT(az_v8, qc + (k) * AZ_L);                                         \
            to_c expression;                                                                       \
        }                                                                                          \
    }
#else
#define AZ_PRODUCT(name, sum0)                                                                     \
    AZ_TOTAL(name##_total0, sum0)                                                                  \
    AZ_BEGIN(name)                                                                                 \
    for (int64_t i = 0; i < F; ++i)                                                                \
        AZ_NAME(name##_total0)(o + i * AZ_L, pa + i * F * AZ_L, pb, F);                            \
    AZ_END(name)
#endif

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
    AZ_END(name)
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
    AZ_END(name)
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

static void AZ_NAME(judge)(
    double *bad, const double *label, const double *prediction, double limit)
{
    AZ_SIMD for (int l = 0; l < AZ_L; ++l)
        bad[l] += fabs(label[l] - prediction[l]) <= limit ? 0.0 : 1.0;
}

static void AZ_NAME(judge_classes)(
    double *bad, const double *label, const double *prediction, int64_t classes, double limit)
{
    for (int64_t c = 0; c < classes; ++c)
        AZ_SIMD for (int l = 0; l < AZ_L; ++l)
        {
            const double target = label[l] == (double)c ? 1.0 : 0.0;
            bad[l] += fabs(target - prediction[c * AZ_L + l]) <= limit ? 0.0 : 1.0;
        }
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
#undef AZ_GRID1
#undef AZ_GRID2
#undef AZ_MAP3
#undef AZ_GRID3
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
#undef AZ_TWO_TERMS
#undef AZ_ROW_TERM
#undef AZ_PRODUCT
#undef AZ_ROWS2
#undef AZ_DOWN
#undef AZ_COLUMNS
#undef AZ_COLUMNS1
#undef AZ_COLUMNS2
