/* Sums with several lanes: a vector holds AZ_V lanes of one entry, so that every partial sum is a
 * register of its own. Taken in by lanes.h once per number of lanes; undone at its end. */
#if AZ_L < AZ_VECTOR
#define AZ_V AZ_L
#else
#define AZ_V AZ_VECTOR
#endif
#if AZ_L / AZ_V == 1
#define AZ_EACH_CHUNK AZ_REPEAT_1
#elif AZ_L / AZ_V == 2
#define AZ_EACH_CHUNK AZ_REPEAT_2
#elif AZ_L / AZ_V == 4
#define AZ_EACH_CHUNK AZ_REPEAT_4
#else
#define AZ_EACH_CHUNK AZ_REPEAT_8
#endif

/* A partial sum may as well begin with its first addend as with an absent one: that is shorter. */
#define AZ_TERM(to, k, expression)                                                           \
    {                                                                                        \
        const AZ_VEC a = AZ_AT(AZ_VEC, qa + (k) * AZ_L), b = AZ_AT(AZ_VEC, qb + (k) * AZ_L); \
        (void)b;                                                                             \
        to expression;                                                                       \
    }
#define AZ_TOTAL(name, expression)                                            \
    static inline __attribute__((always_inline)) void AZ_NAME(name)(          \
        double *total, const double *pa, const double *pb, int64_t n)         \
    {                                                                         \
        for (int l = 0; l < AZ_L; l += AZ_V) {                                \
            const double *qa = pa + l, *qb = pb + l;                          \
            AZ_VEC s0, s1 = AZ_FILL(AZ_ABSENT), s2 = s1, s3 = s1;             \
            AZ_VEC s4 = s1, s5 = s1, s6 = s1, s7 = s1;                        \
            AZ_TERM(s0 =, 0, expression)                                      \
            if (n <= 4) {                                                     \
                if (n > 1)                                                    \
                    AZ_TERM(s1 =, 1, expression)                              \
                if (n > 2)                                                    \
                    AZ_TERM(s2 =, 2, expression)                              \
                if (n > 3)                                                    \
                    AZ_TERM(s3 =, 3, expression)                              \
                *(AZ_VEC *)(total + l) = (s0 + s2) + (s1 + s3);               \
                continue;                                                     \
            }                                                                 \
            AZ_TERM(s1 =, 1, expression)                                      \
            AZ_TERM(s2 =, 2, expression)                                      \
            AZ_TERM(s3 =, 3, expression)                                      \
            AZ_TERM(s4 =, 4, expression)                                      \
            if (n > 5)                                                        \
                AZ_TERM(s5 =, 5, expression)                                  \
            if (n > 6)                                                        \
                AZ_TERM(s6 =, 6, expression)                                  \
            if (n > 7)                                                        \
                AZ_TERM(s7 =, 7, expression)                                  \
            int64_t left = n - 8;                                             \
            for (qa += 8 * AZ_L, qb += 8 * AZ_L; left >= 8;                   \
                 left -= 8, qa += 8 * AZ_L, qb += 8 * AZ_L) {                 \
                AZ_TERM(s0 +=, 0, expression)                                 \
                AZ_TERM(s1 +=, 1, expression)                                 \
                AZ_TERM(s2 +=, 2, expression)                                 \
                AZ_TERM(s3 +=, 3, expression)                                 \
                AZ_TERM(s4 +=, 4, expression)                                 \
                AZ_TERM(s5 +=, 5, expression)                                 \
                AZ_TERM(s6 +=, 6, expression)                                 \
                AZ_TERM(s7 +=, 7, expression)                                 \
            }                                                                 \
            if (left > 0)                                                     \
                AZ_TERM(s0 +=, 0, expression)                                 \
            if (left > 1)                                                     \
                AZ_TERM(s1 +=, 1, expression)                                 \
            if (left > 2)                                                     \
                AZ_TERM(s2 +=, 2, expression)                                 \
            if (left > 3)                                                     \
                AZ_TERM(s3 +=, 3, expression)                                 \
            if (left > 4)                                                     \
                AZ_TERM(s4 +=, 4, expression)                                 \
            if (left > 5)                                                     \
                AZ_TERM(s5 +=, 5, expression)                                 \
            if (left > 6)                                                     \
                AZ_TERM(s6 +=, 6, expression)                                 \
            *(AZ_VEC *)(total + l) = AZ_TREE(s0, s1, s2, s3, s4, s5, s6, s7); \
        }                                                                     \
    }

/* A matrix times a vector; several rows at once, so that the vector is loaded less often. With 32
 * registers all partial sums of two rows are kept; with 16, one partial sum of four rows after the
 * other, in the order in which they are added; in a function of its own, since small kernels must not
 * pay for its frame. */
#if AZ_VECTOR == 8 && AZ_L >= 8
#define AZ_PRODUCT(name, sum0)                                                            \
    AZ_TOTAL(name##_total0, sum0)                                                         \
    AZ_BEGIN(name)                                                                        \
    int64_t i = 0;                                                                        \
    for (; F >= 8 && i + 2 <= F; i += 2)                                                  \
        for (int l = 0; l < AZ_L; l += 8) {                                               \
            const double *qa = pa + i * F * AZ_L + l, *qc = qa + F * AZ_L, *qb = pb + l;  \
            az_v8 s0, s1, s2, s3, s4, s5, s6, s7, t0, t1, t2, t3, t4, t5, t6, t7;         \
            AZ_TWO_TERMS(s0 =, t0 =, 0, sum0)                                             \
            AZ_TWO_TERMS(s1 =, t1 =, 1, sum0)                                             \
            AZ_TWO_TERMS(s2 =, t2 =, 2, sum0)                                             \
            AZ_TWO_TERMS(s3 =, t3 =, 3, sum0)                                             \
            AZ_TWO_TERMS(s4 =, t4 =, 4, sum0)                                             \
            AZ_TWO_TERMS(s5 =, t5 =, 5, sum0)                                             \
            AZ_TWO_TERMS(s6 =, t6 =, 6, sum0)                                             \
            AZ_TWO_TERMS(s7 =, t7 =, 7, sum0)                                             \
            int64_t left = F - 8;                                                         \
            for (qa += 8 * AZ_L, qb += 8 * AZ_L, qc += 8 * AZ_L; left >= 8;               \
                 left -= 8, qa += 8 * AZ_L, qb += 8 * AZ_L, qc += 8 * AZ_L) {             \
                AZ_TWO_TERMS(s0 +=, t0 +=, 0, sum0)                                       \
                AZ_TWO_TERMS(s1 +=, t1 +=, 1, sum0)                                       \
                AZ_TWO_TERMS(s2 +=, t2 +=, 2, sum0)                                       \
                AZ_TWO_TERMS(s3 +=, t3 +=, 3, sum0)                                       \
                AZ_TWO_TERMS(s4 +=, t4 +=, 4, sum0)                                       \
                AZ_TWO_TERMS(s5 +=, t5 +=, 5, sum0)                                       \
                AZ_TWO_TERMS(s6 +=, t6 +=, 6, sum0)                                       \
                AZ_TWO_TERMS(s7 +=, t7 +=, 7, sum0)                                       \
            }                                                                             \
            if (left > 0)                                                                 \
                AZ_TWO_TERMS(s0 +=, t0 +=, 0, sum0)                                       \
            if (left > 1)                                                                 \
                AZ_TWO_TERMS(s1 +=, t1 +=, 1, sum0)                                       \
            if (left > 2)                                                                 \
                AZ_TWO_TERMS(s2 +=, t2 +=, 2, sum0)                                       \
            if (left > 3)                                                                 \
                AZ_TWO_TERMS(s3 +=, t3 +=, 3, sum0)                                       \
            if (left > 4)                                                                 \
                AZ_TWO_TERMS(s4 +=, t4 +=, 4, sum0)                                       \
            if (left > 5)                                                                 \
                AZ_TWO_TERMS(s5 +=, t5 +=, 5, sum0)                                       \
            if (left > 6)                                                                 \
                AZ_TWO_TERMS(s6 +=, t6 +=, 6, sum0)                                       \
            *(az_v8 *)(o + i * AZ_L + l) = AZ_TREE(s0, s1, s2, s3, s4, s5, s6, s7);       \
            *(az_v8 *)(o + (i + 1) * AZ_L + l) = AZ_TREE(t0, t1, t2, t3, t4, t5, t6, t7); \
        }                                                                                 \
    for (; i < F; ++i)                                                                    \
        AZ_NAME(name##_total0)(o + i * AZ_L, pa + i * F * AZ_L, pb, F);                   \
    AZ_END(name)
#define AZ_TWO_TERMS(to, to_c, k, expression)              \
    {                                                      \
        const az_v8 b = AZ_AT(az_v8, qb + (k) * AZ_L);     \
        {                                                  \
            const az_v8 a = AZ_AT(az_v8, qa + (k) * AZ_L); \
            to expression;                                 \
        }                                                  \
        {                                                  \
            const az_v8 a = AZ_AT(az_v8, qc + (k) * AZ_L); \
            to_c expression;                               \
        }                                                  \
    }
#elif AZ_VECTOR == 4 && AZ_L >= 4
#define AZ_PRODUCT(name, sum0)                                                        \
    AZ_TOTAL(name##_total0, sum0)                                                     \
    static __attribute__((noinline)) int64_t AZ_NAME(name##_fours)(                   \
        double *o, const double *pa, const double *pb, int64_t F)                     \
    {                                                                                 \
        const int64_t row = F * AZ_L;                                                 \
        int64_t i = 0;                                                                \
        for (; i + 4 <= F; i += 4)                                                    \
            for (int l = 0; l < AZ_L; l += 4) {                                       \
                const double *ra = pa + i * row + l, *rb = pb + l, *qa, *qb;          \
                az_v4 p0, p1, p2, p3, r0, r1, r2, r3, s0, s1, s2, s3, t0, t1, t2, t3; \
                AZ_HALF(p, r, 0, sum0)                                                \
                AZ_HALF(r, s, 1, sum0)                                                \
                AZ_JOIN(p, r)                                                         \
                *(az_v4 *)(o + i * AZ_L + l) = p0;                                    \
                *(az_v4 *)(o + (i + 1) * AZ_L + l) = p1;                              \
                *(az_v4 *)(o + (i + 2) * AZ_L + l) = p2;                              \
                *(az_v4 *)(o + (i + 3) * AZ_L + l) = p3;                              \
            }                                                                         \
        return i;                                                                     \
    }                                                                                 \
    AZ_BEGIN(name)                                                                    \
    for (int64_t i = F < 8 ? 0 : AZ_NAME(name##_fours)(o, pa, pb, F); i < F; ++i)     \
        AZ_NAME(name##_total0)(o + i * AZ_L, pa + i * F * AZ_L, pb, F);               \
    AZ_END(name)
/* Partial sums k, k + 4, k + 2 and k + 6 of four rows, added up in `to`. */
#define AZ_HALF(to, other, k, expression) \
    AZ_PARTIAL(to, k, expression)         \
    AZ_PARTIAL(t, k + 4, expression)      \
    AZ_JOIN(to, t)                        \
    AZ_PARTIAL(other, k + 2, expression)  \
    AZ_PARTIAL(t, k + 6, expression)      \
    AZ_JOIN(other, t)                     \
    AZ_JOIN(to, other)
/* Partial sum k of four rows, to##0 to to##3. */
#define AZ_PARTIAL(to, k, expression)           \
    qa = ra + (k) * AZ_L, qb = rb + (k) * AZ_L; \
    AZ_FOUR_TERMS(to, =, expression)            \
    for (int64_t e = (k) + 8; e < F; e += 8) {  \
        qa += 8 * AZ_L, qb += 8 * AZ_L;         \
        AZ_FOUR_TERMS(to, +=, expression)       \
    }
#define AZ_FOUR_TERMS(to, joined, expression)       \
    {                                               \
        const az_v4 b = AZ_AT(az_v4, qb);           \
        AZ_TERM_OF_ROW(to##0 joined, 0, expression) \
        AZ_TERM_OF_ROW(to##1 joined, 1, expression) \
        AZ_TERM_OF_ROW(to##2 joined, 2, expression) \
        AZ_TERM_OF_ROW(to##3 joined, 3, expression) \
    }
#define AZ_TERM_OF_ROW(to, r, expression)             \
    {                                                 \
        const az_v4 a = AZ_AT(az_v4, qa + (r) * row); \
        to expression;                                \
    }
#define AZ_JOIN(to, from) to##0 += from##0, to##1 += from##1, to##2 += from##2, to##3 += from##3;
#else
#define AZ_PRODUCT(name, sum0)                                          \
    AZ_TOTAL(name##_total0, sum0)                                       \
    AZ_BEGIN(name)                                                      \
    for (int64_t i = 0; i < F; ++i)                                     \
        AZ_NAME(name##_total0)(o + i * AZ_L, pa + i * F * AZ_L, pb, F); \
    AZ_END(name)
#endif

/* Products of two vectors joined to a matrix `c`, which may be the result. With vectors, because
 * compilers would load the row's entries of `a` anew for every column. */
#define AZ_CHUNK_OF_A(q, expression) const AZ_VEC a##q = AZ_AT(AZ_VEC, pa + i * AZ_L + (q) * AZ_V);
#define AZ_CHUNK_OF_ROW(q, expression)                                                    \
    {                                                                                     \
        const int64_t at = j * AZ_L + (q) * AZ_V;                                         \
        const AZ_VEC a = a##q, b = AZ_AT(AZ_VEC, pb + at), c = AZ_AT(AZ_VEC, row_c + at); \
        *(AZ_VEC *)(row + at) = expression;                                               \
    }
#define AZ_GRID3(name, expression)                     \
    AZ_BEGIN(name)                                     \
    for (int64_t i = 0; i < F; ++i) {                  \
        const double *row_c = pc + i * F * AZ_L;       \
        double *row = o + i * F * AZ_L;                \
        AZ_EACH_CHUNK(AZ_CHUNK_OF_A, expression)       \
        for (int64_t j = 0; j < F; ++j) {              \
            AZ_EACH_CHUNK(AZ_CHUNK_OF_ROW, expression) \
        }                                              \
    }                                                  \
    AZ_END(name)

/* Totals down columns: entry (i, j) of the result sums over k an expression in a = pa[i][k] and
 * b = pb[k][j]. Columns are the outer loop, so that a panel of them stays in the cache. */
#define AZ_DOWN(sum, k, expression)                                                            \
    {                                                                                          \
        const AZ_VEC a = AZ_AT(AZ_VEC, qa + (k) * AZ_L), b = AZ_AT(AZ_VEC, qb + (k) * column); \
        (void)a;                                                                               \
        sum += expression;                                                                     \
    }
#define AZ_COLUMNS(name, rows, vector, matrix, sum0, expression)                   \
    AZ_BEGIN(name)                                                                 \
    const int64_t lines = (rows), column = F * AZ_L;                               \
    const double n = (double)F;                                                    \
    for (int64_t j = 0; j < F; ++j)                                                \
        for (int64_t i = 0; i < lines; ++i) {                                      \
            double *total0 = o + (i * F + j) * AZ_L;                               \
            const double *total1 = total0;                                         \
            for (int l = 0; l < AZ_L; l += AZ_V) {                                 \
                const double *qa = (vector) + l, *qb = (matrix) + j * AZ_L + l;    \
                const AZ_VEC none = AZ_FILL(AZ_ABSENT);                            \
                AZ_VEC s0 = none, s1 = none, s2 = none, s3 = none;                 \
                AZ_VEC s4 = none, s5 = none, s6 = none, s7 = none;                 \
                int64_t left = F;                                                  \
                for (; left >= 8; left -= 8, qa += 8 * AZ_L, qb += 8 * column) {   \
                    AZ_DOWN(s0, 0, sum0)                                           \
                    AZ_DOWN(s1, 1, sum0)                                           \
                    AZ_DOWN(s2, 2, sum0)                                           \
                    AZ_DOWN(s3, 3, sum0)                                           \
                    AZ_DOWN(s4, 4, sum0)                                           \
                    AZ_DOWN(s5, 5, sum0)                                           \
                    AZ_DOWN(s6, 6, sum0)                                           \
                    AZ_DOWN(s7, 7, sum0)                                           \
                }                                                                  \
                if (left > 0)                                                      \
                    AZ_DOWN(s0, 0, sum0)                                           \
                if (left > 1)                                                      \
                    AZ_DOWN(s1, 1, sum0)                                           \
                if (left > 2)                                                      \
                    AZ_DOWN(s2, 2, sum0)                                           \
                if (left > 3)                                                      \
                    AZ_DOWN(s3, 3, sum0)                                           \
                if (left > 4)                                                      \
                    AZ_DOWN(s4, 4, sum0)                                           \
                if (left > 5)                                                      \
                    AZ_DOWN(s5, 5, sum0)                                           \
                if (left > 6)                                                      \
                    AZ_DOWN(s6, 6, sum0)                                           \
                *(AZ_VEC *)(total0 + l) = AZ_TREE(s0, s1, s2, s3, s4, s5, s6, s7); \
            }                                                                      \
            AZ_FINISH(total0, expression)                                          \
        }                                                                          \
    AZ_END(name)
#define AZ_COLUMNS1(name, rows, count, sum0, expression) \
    AZ_COLUMNS(name, rows, pa, pa, sum0, expression)
#define AZ_COLUMNS2(name, rows, count, sum0, expression) \
    AZ_COLUMNS(name, rows, pa + i * column, pb, sum0, expression)
