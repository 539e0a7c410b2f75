/* Vectors of doubles, one register wide at the level that is being compiled (AZ_VECTOR doubles), and
 * what sums need of them. Vectors wider than a register would live in memory.
 *
 * `expression` in these files is an op's over the entries `a` and `b`; in sums it is made of + - *
 * alone, so that it means the same on vectors.
 */
#ifndef AZ_VECTORS_H
#define AZ_VECTORS_H

typedef double az_v2 __attribute__((vector_size(16), aligned(8), may_alias));
typedef double az_v4 __attribute__((vector_size(32), aligned(8), may_alias));
typedef double az_v8 __attribute__((vector_size(64), aligned(8), may_alias));

/* What comparing them gives: all bits of an element, or none. */
typedef int64_t az_m2 __attribute__((vector_size(16), aligned(8), may_alias));
typedef int64_t az_m4 __attribute__((vector_size(32), aligned(8), may_alias));
typedef int64_t az_m8 __attribute__((vector_size(64), aligned(8), may_alias));

#define AZ_MASK_2 az_m2
#define AZ_MASK_4 az_m4
#define AZ_MASK_8 az_m8
#define AZ_TYPE_2 az_v2
#define AZ_TYPE_4 az_v4
#define AZ_TYPE_8 az_v8
#define AZ_FILL_2(x) {x, x}
#define AZ_FILL_4(x) {x, x, x, x}
#define AZ_FILL_8(x) {x, x, x, x, x, x, x, x}

/* The type of AZ_V doubles, that of their comparison, such a vector full of x, and one at any
 * address of doubles. */
#define AZ_VEC AZ_GLUE(AZ_TYPE, AZ_V)
#define AZ_MASK AZ_GLUE(AZ_MASK, AZ_V)
#define AZ_FILL(x) AZ_GLUE(AZ_FILL, AZ_V)(x)
#define AZ_AT(type, pointer) (*(const type *)(pointer))

/* How partial sums are added, and what stands for an absent one: x + -0.0 is x. */
#define AZ_TREE(s0, s1, s2, s3, s4, s5, s6, s7) \
    ((((s0) + (s4)) + ((s2) + (s6))) + (((s1) + (s5)) + ((s3) + (s7))))
#define AZ_ABSENT (-0.0)

/* The same text for 0 … n - 1; a macro cannot stand within itself, hence twice. */
#define AZ_REPEAT_1(X, ...) X(0, __VA_ARGS__)
#define AZ_REPEAT_2(X, ...) AZ_REPEAT_1(X, __VA_ARGS__) X(1, __VA_ARGS__)
#define AZ_REPEAT_4(X, ...) AZ_REPEAT_2(X, __VA_ARGS__) X(2, __VA_ARGS__) X(3, __VA_ARGS__)
#define AZ_REPEAT_8(X, ...)     \
    AZ_REPEAT_4(X, __VA_ARGS__) \
    X(4, __VA_ARGS__) X(5, __VA_ARGS__) X(6, __VA_ARGS__) X(7, __VA_ARGS__)
#define AZ_AGAIN_2(X, ...) X(0, __VA_ARGS__) X(1, __VA_ARGS__)
#define AZ_AGAIN_4(X, ...) AZ_AGAIN_2(X, __VA_ARGS__) X(2, __VA_ARGS__) X(3, __VA_ARGS__)
#define AZ_AGAIN_8(X, ...)     \
    AZ_AGAIN_4(X, __VA_ARGS__) \
    X(4, __VA_ARGS__) X(5, __VA_ARGS__) X(6, __VA_ARGS__) X(7, __VA_ARGS__)

#if defined(__clang__) || __GNUC__ >= 12
#define AZ_SHUFFLE2(x, y, i, j) __builtin_shufflevector(x, y, i, j)
#define AZ_SHUFFLE4(x, y, i, j, k, l) __builtin_shufflevector(x, y, i, j, k, l)
#define AZ_SHUFFLE8(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
typedef int64_t az_i2 __attribute__((vector_size(16)));
typedef int64_t az_i4 __attribute__((vector_size(32)));
typedef int64_t az_i8 __attribute__((vector_size(64)));
#define AZ_SHUFFLE2(x, y, i, j) __builtin_shuffle(x, y, (az_i2){i, j})
#define AZ_SHUFFLE4(x, y, i, j, k, l) __builtin_shuffle(x, y, (az_i4){i, j, k, l})
#define AZ_SHUFFLE8(x, y, ...) __builtin_shuffle(x, y, (az_i8){__VA_ARGS__})
#endif

/* Eight partial sums of one total, in 8 / AZ_VECTOR registers; and eight registers that hold those
 * of AZ_VECTOR totals, one total after the other. Both add in the order of AZ_TREE. */
#if AZ_VECTOR == 8
static inline double az_fold(const az_v8 *s)
{
    const az_v8 x = AZ_SHUFFLE8(s[0], s[0], 4, 5, 6, 7, 0, 1, 2, 3) + s[0];
    const az_v8 y = AZ_SHUFFLE8(x, x, 2, 3, 0, 1, 6, 7, 4, 5) + x;
    return y[0] + y[1];
}

static inline az_v8 az_fold_halves(az_v8 x, az_v8 y)
{
    return AZ_SHUFFLE8(x, y, 0, 1, 2, 3, 8, 9, 10, 11) +
           AZ_SHUFFLE8(x, y, 4, 5, 6, 7, 12, 13, 14, 15);
}

static inline az_v8 az_fold_pairs(az_v8 x, az_v8 y)
{
    return AZ_SHUFFLE8(x, y, 0, 1, 4, 5, 8, 9, 12, 13) +
           AZ_SHUFFLE8(x, y, 2, 3, 6, 7, 10, 11, 14, 15);
}

static inline void az_fold_all(double *out, const az_v8 *s)
{
    const az_v8 a = az_fold_halves(s[0], s[1]), b = az_fold_halves(s[2], s[3]);
    const az_v8 c = az_fold_halves(s[4], s[5]), d = az_fold_halves(s[6], s[7]);
    const az_v8 e = az_fold_pairs(a, b), f = az_fold_pairs(c, d);
    *(az_v8 *)out =
        AZ_SHUFFLE8(e, f, 0, 2, 4, 6, 8, 10, 12, 14) + AZ_SHUFFLE8(e, f, 1, 3, 5, 7, 9, 11, 13, 15);
}
#elif AZ_VECTOR == 4
static inline double az_fold(const az_v4 *s)
{
    const az_v4 x = s[0] + s[1];
    return (x[0] + x[2]) + (x[1] + x[3]);
}

static inline void az_fold_all(double *out, const az_v4 *s)
{
    const az_v4 a = s[0] + s[1], b = s[2] + s[3], c = s[4] + s[5], d = s[6] + s[7];
    const az_v4 e = AZ_SHUFFLE4(a, b, 0, 1, 4, 5) + AZ_SHUFFLE4(a, b, 2, 3, 6, 7);
    const az_v4 f = AZ_SHUFFLE4(c, d, 0, 1, 4, 5) + AZ_SHUFFLE4(c, d, 2, 3, 6, 7);
    *(az_v4 *)out = AZ_SHUFFLE4(e, f, 0, 2, 4, 6) + AZ_SHUFFLE4(e, f, 1, 3, 5, 7);
}
#else
static inline double az_fold(const az_v2 *s)
{
    const az_v2 x = (s[0] + s[2]) + (s[1] + s[3]);
    return x[0] + x[1];
}

static inline void az_fold_all(double *out, const az_v2 *s)
{
    const az_v2 a = (s[0] + s[2]) + (s[1] + s[3]), b = (s[4] + s[6]) + (s[5] + s[7]);
    *(az_v2 *)out = AZ_SHUFFLE2(a, b, 0, 2) + AZ_SHUFFLE2(a, b, 1, 3);
}
#endif

#endif
