/* Sums with one lane: entries lie side by side, and a vector holds AZ_VECTOR of them. Taken in by
 * lanes.h. Eight partial sums fill AZ_PARTS registers; what is left over of a row is added singly.
 */
#define AZ_V AZ_VECTOR
#if AZ_VECTOR == 8
#define AZ_PARTS 1
#define AZ_EACH_PART AZ_REPEAT_1
#elif AZ_VECTOR == 4
#define AZ_PARTS 2
#define AZ_EACH_PART AZ_REPEAT_2
#else
#define AZ_PARTS 4
#define AZ_EACH_PART AZ_REPEAT_4
#endif
#define AZ_EACH_ROW AZ_GLUE(AZ_AGAIN, AZ_VECTOR)

#define AZ_PART_TERM(p, expression)                          \
    {                                                        \
        const AZ_VEC a = AZ_AT(AZ_VEC, pa + e + (p) * AZ_V); \
        const AZ_VEC b = AZ_AT(AZ_VEC, pb + e + (p) * AZ_V); \
        (void)b;                                             \
        s[p] += expression;                                  \
    }
#define AZ_TOTAL(name, expression)                                        \
    static inline __attribute__((always_inline)) void AZ_NAME(name)(      \
        double *total, const double *pa, const double *pb, int64_t n)     \
    {                                                                     \
        const AZ_VEC none = AZ_FILL(AZ_ABSENT);                           \
        AZ_VEC s[4] = {none, none, none, none};                           \
        int64_t e = 0;                                                    \
        for (; e + 8 <= n; e += 8) {                                      \
            AZ_EACH_PART(AZ_PART_TERM, expression)                        \
        }                                                                 \
        if (e == n) {                                                     \
            *total = az_fold(s);                                          \
            return;                                                       \
        }                                                                 \
        double t[8];                                                      \
        memcpy(t, s, sizeof t);                                           \
        for (int64_t k = 0; e + k < n; ++k) {                             \
            const double a = pa[e + k], b = pb[e + k];                    \
            (void)b;                                                      \
            t[k] += expression;                                           \
        }                                                                 \
        *total = AZ_TREE(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7]); \
    }

/* A matrix times a vector: AZ_VECTOR rows at once, which fill eight registers. */
#define AZ_ROW_TERM(r, p, expression)                                    \
    {                                                                    \
        const AZ_VEC a = AZ_AT(AZ_VEC, rows + (r) * F + e + (p) * AZ_V); \
        s[(r) * AZ_PARTS + (p)] += expression;                           \
    }
#define AZ_ROWS_TERM(p, expression)                          \
    {                                                        \
        const AZ_VEC b = AZ_AT(AZ_VEC, pb + e + (p) * AZ_V); \
        AZ_EACH_ROW(AZ_ROW_TERM, p, expression)              \
    }
#define AZ_PRODUCT(name, expression)                                    \
    AZ_TOTAL(name##_total0, expression)                                 \
    AZ_BEGIN(name)                                                      \
    int64_t i = 0;                                                      \
    for (; F % 8 == 0 && i < F; i += AZ_V) {                            \
        const double *rows = pa + i * F;                                \
        const AZ_VEC none = AZ_FILL(AZ_ABSENT);                         \
        AZ_VEC s[8] = {none, none, none, none, none, none, none, none}; \
        for (int64_t e = 0; e < F; e += 8) {                            \
            AZ_EACH_PART(AZ_ROWS_TERM, expression)                      \
        }                                                               \
        az_fold_all(o + i, s);                                          \
    }                                                                   \
    for (; i < F; ++i)                                                  \
        AZ_NAME(name##_total0)(o + i, pa + i * F, pb, F);               \
    AZ_END(name)

/* Products of two vectors joined to a matrix `c`, which may be the result. With vectors, because
 * compilers would load the row's entry of `a` anew for every column. */
#define AZ_GRID3(name, expression)                                                \
    AZ_BEGIN(name)                                                                \
    for (int64_t i = 0; i < F; ++i) {                                             \
        const double x = pa[i], *row_c = pc + i * F;                              \
        double *row = o + i * F;                                                  \
        int64_t j = 0;                                                            \
        for (; j + AZ_V <= F; j += AZ_V) {                                        \
            const AZ_VEC a = AZ_FILL(x);                                          \
            const AZ_VEC b = AZ_AT(AZ_VEC, pb + j), c = AZ_AT(AZ_VEC, row_c + j); \
            *(AZ_VEC *)(row + j) = expression;                                    \
        }                                                                         \
        for (; j < F; ++j) {                                                      \
            const double a = x, b = pb[j], c = row_c[j];                          \
            row[j] = expression;                                                  \
        }                                                                         \
    }                                                                             \
    AZ_END(name)

/* Totals down columns: entry (i, j) of the result sums over k an expression in a = pa[i][k] and
 * b = pb[k][j]. Columns are the outer loop, so that a panel of them stays in the cache. */
#define AZ_DOWN(k, load_a, expression)                                              \
    if ((k) < left) {                                                               \
        const double x = load_a(e + (k));                                           \
        const AZ_VEC a = AZ_FILL(x), b = AZ_AT(AZ_VEC, matrix + (e + (k)) * F + j); \
        (void)a;                                                                    \
        s[k] += expression;                                                         \
    }
#define AZ_COLUMNS(name, lines, load_a, operand, sum0, expression)                       \
    AZ_BEGIN(name)                                                                       \
    const double n = (double)F, *matrix = operand;                                       \
    int64_t j = 0;                                                                       \
    (void)n;                                                                             \
    for (; j + AZ_V <= F; j += AZ_V)                                                     \
        for (int64_t i = 0; i < (lines); ++i) {                                          \
            const AZ_VEC none = AZ_FILL(AZ_ABSENT);                                      \
            AZ_VEC s[8] = {none, none, none, none, none, none, none, none};              \
            int64_t e = 0, left = 8;                                                     \
            for (; e + 8 <= F; e += 8) {                                                 \
                AZ_REPEAT_8(AZ_DOWN, load_a, sum0)                                       \
            }                                                                            \
            left = F - e;                                                                \
            AZ_REPEAT_8(AZ_DOWN, load_a, sum0)                                           \
            const AZ_VEC tree = AZ_TREE(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]); \
            for (int c = 0; c < AZ_V; ++c) {                                             \
                const double t0 = tree[c];                                               \
                o[i * F + j + c] = expression;                                           \
            }                                                                            \
        }                                                                                \
    for (; j < F; ++j)                                                                   \
        for (int64_t i = 0; i < (lines); ++i) {                                          \
            double s[8];                                                                 \
            for (int k = 0; k < 8; ++k)                                                  \
                s[k] = AZ_ABSENT;                                                        \
            for (int64_t e = 0; e < F; ++e) {                                            \
                const double a = load_a(e), b = matrix[e * F + j];                       \
                (void)a;                                                                 \
                s[e & 7] += sum0;                                                        \
            }                                                                            \
            const double t0 = AZ_TREE(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]);   \
            o[i * F + j] = expression;                                                   \
        }                                                                                \
    AZ_END(name)
#define AZ_NO_LOAD(e) 0.0
#define AZ_ROW_LOAD(e) pa[i * F + (e)]
#define AZ_COLUMNS1(name, rows, count, sum0, expression) \
    AZ_COLUMNS(name, rows, AZ_NO_LOAD, pa, sum0, expression)
#define AZ_COLUMNS2(name, rows, count, sum0, expression) \
    AZ_COLUMNS(name, rows, AZ_ROW_LOAD, pb, sum0, expression)
