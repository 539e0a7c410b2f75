/* azmath.h: exp, log, sin, cos, tan, asin, acos, atan and the sigmoid for float64,
 * giving the same bits on every machine, compiler and vector width.
 *
 * Only IEEE + - * / sqrt, comparisons, 64-bit integer operations and bit casts are
 * used, in a fixed order, so a libm upgrade or a wider register changes nothing.  The
 * fast paths have no branches and no double<->int64 conversions (there are none before
 * AVX-512DQ), so "#pragma omp simd" loops over them vectorise from SSE2 up.
 *
 * What breaks it: -ffast-math (or any part of it that reorders or drops NaN), fused
 * multiply-add contraction (gcc contracts by default where the target has FMA: build
 * with -ffp-contract=off), x87 arithmetic, flush-to-zero modes, rounding modes other
 * than to-nearest.  The first and third are refused below; the rest cannot be seen here.
 * The sign and payload of a NaN result are NOT fixed, only that it is a NaN.
 *
 * Largest errors seen, in ulp, over 40 million points per function and the hardest known
 * arguments (tests/runtime/test_azmath.py repeats the measurement on fewer):
 *   exp 0.69, 0.79 where the result is denormal;  log 0.76;  sin, cos 0.83;  tan 0.97;
 *   asin 0.71;  acos 0.68;  atan 0.72.
 * The sigmoid is 1 / (1 + az_exp(-x)) by definition: up to 2.4 from the true one for
 * x < 0, and 0 from -709.79 down.
 *
 * Methods.  exp: x = k ln2 + r, polynomial, two exact scalings and one rounding.
 * log: x = 2^k m, s = (m-1)/(m+1), atanh series.  sin, cos, tan: x = k pi/2 + r with r
 * in two doubles; k P1, k P2, k P3 exact (Cody-Waite) up to |x| = 2^20, Payne-Hanek on
 * integers above; tan divides the two kernels in double-double.  asin, acos: polynomial
 * up to 1/2, half-angle formula above.  atan: one of three rotations, polynomial.
 * Constants: benchmarks/azmath_coefficients.py.
 *
 * Per function F: az_F(x) is the complete scalar function; az_F_n(out, a, n) does n
 * elements (make n a compile-time constant; out == a is fine, partial overlap is not)
 * with the bits that az_F gives for each element, whatever its neighbours are.  All but
 * az_sin, az_cos, az_tan are themselves branch-free and may be put in a simd loop.
 */
#ifndef AZ_MATH_H
#define AZ_MATH_H

#include <float.h>
#include <stdint.h>

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "azmath.h: -ffast-math reorders the error terms away; build without it"
#endif
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
#error "azmath.h: needs double arithmetic rounded to double (on 32-bit x86: -mfpmath=sse)"
#endif
#ifndef __SIZEOF_INT128__
#error "azmath.h: needs a 64-bit target (unsigned __int128, for huge trig arguments)"
#endif
#ifdef __clang__ /* gcc ignores this pragma, and warns */
#pragma STDC FP_CONTRACT OFF
#endif

/* Forced: left to its own size limits gcc keeps some of these as calls, and a loop with
 * a call in it is not vectorised. */
#define AZ__INLINE static inline __attribute__((always_inline, unused))
#define AZ__COLD static __attribute__((noinline, cold, unused))

#define AZ__SIGN 0x8000000000000000u
#define AZ__EXPONENT 0xfff0000000000000u
#define AZ__ONE 0x3ff0000000000000u  /* bits of 1.0 */
#define AZ__HIGH 0xfffffffff8000000u /* keeps 26 significant bits */
#define AZ__LIMIT 0x1p20             /* trig: up to here k has 20 bits, k P1 to k P3 53 */
#define AZ__MAGIC 0x1.8p52           /* x + MAGIC has round(x) in its low bits, else 0 */

AZ__INLINE uint64_t az__bits(double x)
{
    uint64_t u;
    __builtin_memcpy(&u, &x, sizeof u);
    return u;
}

AZ__INLINE double az__double(uint64_t u)
{
    double x;
    __builtin_memcpy(&x, &u, sizeof x);
    return x;
}

/* Estrin pieces: shorter chains than Horner's, and with 8 lanes in one 512-bit register
 * the chain is the running time. */
#define AZ__P2(x, c) ((c)[0] + (c)[1] * (x))
#define AZ__P4(x, x2, c) (AZ__P2(x, c) + AZ__P2(x, (c) + 2) * (x2))

static const double az__exp[11] = {
    /* 61.4 bits */
    0x1.0000000000000p-1,  0x1.5555555555557p-3,  0x1.5555555555556p-5,  0x1.11111111100dcp-7,
    0x1.6c16c16c162d4p-10, 0x1.a01a01abe7fe1p-13, 0x1.a01a01a6d889cp-16, 0x1.71de0231960ebp-19,
    0x1.27e4db646b17ep-22, 0x1.af4de97ca4194p-26, 0x1.1f730349868cep-29,
};
static const double az__log[7] = {
    /* 57.7 bits */
    0x1.5555555555558p-1, 0x1.99999999952e2p-2, 0x1.2492492df148dp-2, 0x1.c71c62e5800a1p-3,
    0x1.7462b4ab2ef6bp-3, 0x1.39fe606542ddep-3, 0x1.2b584aae78a57p-3,
};
static const double az__sin[7] = {
    /* 57.1 bits */
    -0x1.5555555555555p-3,  0x1.1111111111110p-7,  -0x1.a01a01a019938p-13, 0x1.71de3a546095bp-19,
    -0x1.ae645412c560cp-26, 0x1.61217f0b800d5p-33, -0x1.ab17d404de5b3p-41,
};
static const double az__asin[13] = {
    /* 57.4 bits */
    0x1.5555555555556p-3, 0x1.3333333332ecap-4, 0x1.6db6db6e31f13p-5, 0x1.f1c71c1db0623p-6,
    0x1.6e8bb1c8209a2p-6, 0x1.1c4d35cf95421p-6, 0x1.c9cf07674736ap-7, 0x1.782651caa6547p-7,
    0x1.52420b04b37bep-7, 0x1.65a9c4dfcf8b2p-8, 0x1.1d189408314eep-6, -0x1.e6aaa8a0a04ccp-7,
    0x1.d72b2bc8155f8p-6,
};
static const double az__atan[12] = {
    /* 58.2 bits */
    -0x1.5555555555555p-2, 0x1.9999999999953p-3, -0x1.249249248d7eep-3, 0x1.c71c71c304b68p-4,
    -0x1.745d165df3f95p-4, 0x1.3b1392d9e785cp-4, -0x1.110e880a7a521p-4, 0x1.e19a13b9fc6dfp-5,
    -0x1.ac7a938b69c93p-5, 0x1.74ddd408bb4c1p-5, -0x1.1b33b923aa954p-5, 0x1.0ad36a455cafbp-6,
};
static const double az__cos[6] = {
    /* 59.6 bits */
    0x1.5555555555555p-5,   -0x1.6c16c16c16967p-10, 0x1.a01a019f4eb01p-16,
    -0x1.27e4fa17da09ep-22, 0x1.1eeb68e93b64cp-29,  -0x1.907da367a37cbp-37,
};

/* ---- exp ---------------------------------------------------------------------- */

AZ__INLINE double az_exp(double x)
{
    /* Outside these bounds the result is inf or 0 already, and k + 2046 below would
     * not fit its 12 bits.  A NaN fails both comparisons and goes through. */
    x = x > 710.0 ? 710.0 : x;
    x = x < -746.0 ? -746.0 : x;
    double kb = x * 0x1.71547652b82fep+0 + AZ__MAGIC;
    double k = kb - AZ__MAGIC;
    double hi = x - k * 0x1.62e42fefa3800p-1; /* exact: 42 bits of ln2 times 11 */
    double lo = k * 0x1.ef35793c76730p-45;
    double r = hi - lo;
    double rl = (hi - r) - lo;
    double r2 = r * r;
    double r4 = r2 * r2;
    double p = AZ__P4(r, r2, az__exp) +
               (AZ__P4(r, r2, az__exp + 4) + (AZ__P2(r, az__exp + 8) + az__exp[10] * r2) * r4) * r4;
    double one = 1.0 + r;
    double y = one + (((1.0 - one) + r) + (rl + r2 * p));
    /* 2^k as two normal factors: the first product is exact, the second rounds once,
     * which is what gradual underflow asks for. */
    uint64_t n = (az__bits(kb) + 2046u) & 0xfffu;
    uint64_t h = n >> 1;
    return y * az__double(h << 52) * az__double((n - h) << 52);
}

AZ__INLINE double az_sigmoid(double x)
{
    return 1.0 / (1.0 + az_exp(-x));
}

/* ---- log ---------------------------------------------------------------------- */

AZ__INLINE double az_log(double x)
{
    double up = x * 0x1p54;
    double xs = x < DBL_MIN ? up : x;
    double bias = x < DBL_MIN ? 0x1p52 + 1023.0 + 54.0 : 0x1p52 + 1023.0;
    /* Adding 1 - sqrt(1/2) in bits carries into the exponent when the mantissa is above
     * sqrt(2), so that m lies in [sqrt(1/2), sqrt(2)]. */
    uint64_t u = az__bits(xs) + (AZ__ONE - 0x3fe6a09e667f3bcdu);
    double k = az__double((u >> 52) | 0x4330000000000000u) - bias;
    double m = az__double(az__bits(xs) - (u & AZ__EXPONENT) + AZ__ONE);
    double f = m - 1.0;
    double s = f / (2.0 + f);
    double z = s * s;
    double z2 = z * z;
    double rest =
        z * (AZ__P4(z, z2, az__log) + (AZ__P2(z, az__log + 4) + az__log[6] * z2) * (z2 * z2));
    double half = 0.5 * f * f;
    /* log(1+f) = f - half + s (half + rest); k ln2 + f - half keeps its rounding errors. */
    double kl = k * 0x1.62e42fefa3800p-1;
    double t1 = kl + f;
    double e1 = (kl - t1) + f;
    double t2 = t1 - half;
    double e2 = (t1 - t2) - half;
    double y = t2 + (((e1 + k * 0x1.ef35793c76730p-45) + e2) + s * (half + rest));
    double special = x < 0.0 ? (double)__builtin_nan("") : x; /* inf and NaN: themselves */
    special = x == 0.0 ? -(double)__builtin_inf() : special;
    y = x > 0.0 ? y : special;
    return x <= DBL_MAX ? y : special;
}

/* ---- double-double pieces ----------------------------------------------------- */

/* a b - p for p = a b rounded (Dekker; no FMA).  Splitting by mask, unlike Veltkamp's
 * multiplication, cannot overflow. */
AZ__INLINE double az__product_error(double a, double b, double p)
{
    double ah = az__double(az__bits(a) & AZ__HIGH);
    double bh = az__double(az__bits(b) & AZ__HIGH);
    double al = a - ah;
    double bl = b - bh;
    return (((ah * bh - p) + ah * bl) + al * bh) + al * bl;
}

typedef struct {
    double hi, lo;
} az__dd;

/* n / d with about 100 good bits; n.hi = 0 and d.hi = 1 are exact. */
AZ__INLINE az__dd az__divide(az__dd n, az__dd d)
{
    double inverse = 1.0 / d.hi;
    az__dd q;
    q.hi = n.hi * inverse;
    double p = q.hi * d.hi;
    double left = ((n.hi - p) - az__product_error(q.hi, d.hi, p)) + (n.lo - q.hi * d.lo);
    q.lo = left * inverse;
    return q;
}

/* ---- sin, cos, tan ------------------------------------------------------------ */

typedef struct {
    az__dd r;   /* |x| - k pi/2, in [-pi/4, pi/4] and a hair more */
    uint64_t k; /* low two bits count */
} az__angle;

/* For 0 <= a <= AZ__LIMIT; inf and NaN give NaN.  Every difference below is exact or has
 * its error recovered: where |s| < |w| both are multiples of w's last bit and the
 * difference fits 53 bits.  What is lost is under 2^-130 + 2^-100 |r|, and no double up to
 * the limit but 0 is within 2^-61 of a multiple of pi/2. */
AZ__INLINE az__angle az__reduce(double a)
{
    az__angle g;
    double kb = a * 0x1.45f306dc9c883p-1 + AZ__MAGIC;
    double k = kb - AZ__MAGIC;
    double s1 = a - k * 0x1.921fb54400000p+0;
    double w2 = k * 0x1.0b4611a600000p-34;
    double w3 = k * 0x1.3198a2e000000p-69;
    double s2 = s1 - w2;
    double e2 = (s1 - s2) - w2;
    double s3 = s2 - w3;
    double e3 = (s2 - s3) - w3;
    double low = (e2 + e3) - k * 0x1.b839a252049c1p-104;
    g.r.hi = s3 + low;
    g.r.lo = (s3 - g.r.hi) + low;
    g.k = az__bits(kb);
    return g;
}

/* 64 zero bits, then 2/pi to 1216 bits. */
static const uint64_t az__two_over_pi[20] __attribute__((unused)) = {
    0x0000000000000000u, 0xa2f9836e4e441529u, 0xfc2757d1f534ddc0u, 0xdb6295993c439041u,
    0xfe5163abdebbc561u, 0xb7246e3a424dd2e0u, 0x06492eea09d1921cu, 0xfe1deb1cb129a73eu,
    0xe88235f52ebb4484u, 0xe99c7026b45f7e41u, 0x3991d639835339f4u, 0x9c845f8bbdf9283bu,
    0x1ff897ffde05980fu, 0xef2f118b5a0a6d1fu, 0x6d367ecf27cb09b7u, 0x4f463f669e5fea2du,
    0x7527bac7ebe5f17bu, 0x3d0739f78a5292eau, 0x6bfb5fb11f8d5d08u, 0x56033046fc7b6babu,
};

/* For AZ__LIMIT < a < inf.  a = m 2^e; bits of 2/pi above 2^(1-e) only add multiples of 4
 * to a 2/pi and those 192 places on cannot be felt, so m times a 192-bit window, modulo
 * 2^192, is k mod 4 (2 bits) and the fraction (190 bits: wrong by less than 2^53 of the
 * last, and never below 2^-62, so 75 good bits at worst). */
AZ__COLD az__angle az__reduce_huge(double a)
{
    __extension__ typedef unsigned __int128 u128;
    az__angle g;
    uint64_t m = (az__bits(a) & 0x000fffffffffffffu) | 0x0010000000000000u;
    int at = (int)(az__bits(a) >> 52) - 1075 + 62; /* e + 62: index of the window's top bit */
    const uint64_t *t = az__two_over_pi + (at >> 6);
    int up = at & 63;
    uint64_t w[3];
    for (int i = 0; i < 3; i++)
        w[i] = up ? (t[i] << up) | (t[i + 1] >> (64 - up)) : t[i];
    u128 p0 = (u128)m * w[2];
    u128 p1 = (u128)m * w[1] + (uint64_t)(p0 >> 64);
    uint64_t f2 = m * w[0] + (uint64_t)(p1 >> 64);
    uint64_t f1 = (uint64_t)p1;
    uint64_t f0 = (uint64_t)p0;
    g.k = f2 >> 62;
    f2 = (f2 << 2) | (f1 >> 62);
    f1 = (f1 << 2) | (f0 >> 62);
    f0 <<= 2;
    uint64_t negative = f2 & AZ__SIGN; /* fraction >= 1/2: count from the next k */
    if (negative) {
        g.k++;
        f2 = ~f2;
        f1 = ~f1;
        f0 = ~f0;
    }
    int shift = 0;
    while (!(f2 & AZ__SIGN) && shift < 127) { /* at most 62 times */
        f2 = (f2 << 1) | (f1 >> 63);
        f1 = (f1 << 1) | (f0 >> 63);
        f0 <<= 1;
        shift++;
    }
    /* Fraction = (h + l) 2^-shift; 53 bits each, so both conversions are exact. */
    double scale = az__double((uint64_t)(1023 - shift) << 52);
    double h = (double)(f2 >> 11) * 0x1p-53 * scale;
    double l = (double)(((f2 & 0x7ffu) << 42) | (f1 >> 22)) * 0x1p-106 * scale;
    double p = h * 0x1.921fb54442d18p+0;
    double low = az__product_error(h, 0x1.921fb54442d18p+0, p) +
                 (h * 0x1.1a62633145c07p-54 + l * 0x1.921fb54442d18p+0);
    g.r.hi = p + low;
    g.r.lo = (p - g.r.hi) + low;
    g.r.hi = az__double(az__bits(g.r.hi) ^ negative);
    g.r.lo = az__double(az__bits(g.r.lo) ^ negative);
    return g;
}

/* Kernels leave the last rounding undone: their value is hi + lo. */
AZ__INLINE az__dd az__sin_kernel(az__dd r)
{
    double z = r.hi * r.hi;
    double z2 = z * z;
    double p = AZ__P2(z, az__sin + 2) * z2 + (AZ__P2(z, az__sin + 4) + az__sin[6] * z2) * (z2 * z2);
    p = az__sin[0] + (az__sin[1] * z + p); /* one rounding at the size of S0, not three */
    az__dd y;
    y.hi = r.hi;
    y.lo = r.hi * (z * p) + (r.lo - 0.5 * z * r.lo);
    return y;
}

AZ__INLINE az__dd az__cos_kernel(az__dd r)
{
    double z = r.hi * r.hi;
    double z2 = z * z;
    double p = AZ__P4(z, z2, az__cos) + AZ__P2(z, az__cos + 4) * (z2 * z2);
    double half = 0.5 * z;
    az__dd y;
    y.hi = 1.0 - half;
    double zl = az__product_error(r.hi, r.hi, z); /* else 1/4 ulp of the result */
    y.lo = ((1.0 - y.hi) - half) + (z2 * p - (r.hi * r.lo + 0.5 * zl));
    return y;
}

/* if_odd where k is odd, else if_even.  By masks: SSE2 has no 64-bit comparison. */
AZ__INLINE double az__pick(uint64_t k, double if_odd, double if_even)
{
    uint64_t odd = 0u - (k & 1u);
    return az__double((az__bits(if_odd) & odd) | (az__bits(if_even) & ~odd));
}

/* The functions work on |x| and put the sign in last: sums of signed zeros would lose
 * sin(-0) = -0, and f(-x) = -f(x) holds bit for bit. */
AZ__INLINE double az__sin_of(az__angle g, double x)
{
    az__dd s = az__sin_kernel(g.r);
    az__dd c = az__cos_kernel(g.r);
    double y = az__pick(g.k, c.hi + c.lo, s.hi + s.lo);
    return az__double(az__bits(y) ^ ((g.k & 2u) << 62) ^ (az__bits(x) & AZ__SIGN));
}

AZ__INLINE double az__cos_of(az__angle g, double x)
{
    (void)x;
    g.k++;
    return az__sin_of(g, 1.0); /* even: the sign of x is dropped */
}

AZ__INLINE double az__tan_of(az__angle g, double x)
{
    az__dd s = az__sin_kernel(g.r);
    az__dd c = az__cos_kernel(g.r);
    az__dd n, d;
    /* Renormalised: az__divide wants |lo| within an ulp of hi. */
    double sh = s.hi + s.lo;
    double sl = (s.hi - sh) + s.lo;
    double ch = c.hi + c.lo;
    double cl = (c.hi - ch) + c.lo;
    n.hi = az__pick(g.k, ch, sh);
    n.lo = az__pick(g.k, cl, sl);
    d.hi = az__pick(g.k, sh, ch);
    d.lo = az__pick(g.k, sl, cl);
    az__dd q = az__divide(n, d);
    return az__double(az__bits(q.hi + q.lo) ^ (g.k << 63) ^ (az__bits(x) & AZ__SIGN));
}

/* inf is left to az__reduce, which makes NaN of it: programs that overflow are common
 * and should not pay for the slow path. */
AZ__INLINE uint64_t az__is_huge(double x)
{
    double a = __builtin_fabs(x);
    return (uint64_t)(a > AZ__LIMIT) & (uint64_t)(a <= DBL_MAX);
}

/* az_F_fast is branch-free and right unless az__is_huge(x).  az_F_n's slow twin copies
 * its input first, for out may be a. */
#define AZ__TRIG(F)                                                                             \
    AZ__INLINE double az_##F##_fast(double x)                                                   \
    {                                                                                           \
        return az__##F##_of(az__reduce(__builtin_fabs(x)), x);                                  \
    }                                                                                           \
    AZ__COLD double az__##F##_huge(double x)                                                    \
    {                                                                                           \
        return az__##F##_of(az__reduce_huge(__builtin_fabs(x)), x);                             \
    }                                                                                           \
    AZ__INLINE double az_##F(double x)                                                          \
    {                                                                                           \
        return __builtin_expect(az__is_huge(x) != 0, 0) ? az__##F##_huge(x) : az_##F##_fast(x); \
    }                                                                                           \
    AZ__COLD void az__##F##_n_huge(double *out, const double *a, int n)                         \
    {                                                                                           \
        for (int base = 0; base < n; base += 16) {                                              \
            double x[16];                                                                       \
            int m = n - base < 16 ? n - base : 16;                                              \
            for (int l = 0; l < m; l++)                                                         \
                x[l] = a[base + l];                                                             \
            AZ__SIMD                                                                            \
            for (int l = 0; l < m; l++)                                                         \
                out[base + l] = az_##F##_fast(x[l]);                                            \
            for (int l = 0; l < m; l++)                                                         \
                if (az__is_huge(x[l]))                                                          \
                    out[base + l] = az__##F##_huge(x[l]);                                       \
        }                                                                                       \
    }                                                                                           \
    AZ__INLINE void az_##F##_n(double *out, const double *a, int n)                             \
    {                                                                                           \
        uint64_t any = 0;                                                                       \
        AZ__SIMD_ANY                                                                            \
        for (int l = 0; l < n; l++)                                                             \
            any |= az__is_huge(a[l]);                                                           \
        if (__builtin_expect(any != 0, 0)) {                                                    \
            az__##F##_n_huge(out, a, n);                                                        \
            return;                                                                             \
        }                                                                                       \
        AZ__LAUNDER(a)                                                                          \
        AZ__SIMD                                                                                \
        for (int l = 0; l < n; l++)                                                             \
            out[l] = az_##F##_fast(a[l]);                                                       \
    }

/* Without -fopenmp-simd these do nothing but draw a warning under -Wall. */
#define AZ__SIMD _Pragma("omp simd")
#define AZ__SIMD_ANY _Pragma("omp simd reduction(|:any)")
/* clang otherwise carries a[0] from the first loop into the second, which then is a
 * recurrence it does not vectorise. */
#ifdef __clang__
#define AZ__LAUNDER(p) __asm__("" : "+r"(p));
#else
#define AZ__LAUNDER(p)
#endif

AZ__TRIG(sin)
AZ__TRIG(cos)
AZ__TRIG(tan)

/* ---- asin, acos, atan --------------------------------------------------------- */

typedef struct {
    double a; /* |x| */
    az__dd y; /* asin(a) for a <= 1/2, else 2 asin(sqrt((1-a)/2)) = acos(a) */
} az__arc;

AZ__INLINE az__arc az__arc_of(double x)
{
    az__arc g;
    double a = __builtin_fabs(x);
    double w = 0.5 * (1.0 - a); /* exact above 1/2; sqrt makes NaN of a > 1 */
    double root = __builtin_sqrt(w);
    double rh = az__double(az__bits(root) & AZ__HIGH); /* w - rh rh is exact */
    double sum = root + rh;
    double rl = (w - rh * rh) / (sum > 0.0 ? sum : 1.0); /* not 0/0 at a = 1 */
    double z = a > 0.5 ? w : a * a;
    double z2 = z * z;
    double z4 = z2 * z2;
    double p =
        AZ__P4(z, z2, az__asin) +
        (AZ__P4(z, z2, az__asin + 4) + (AZ__P4(z, z2, az__asin + 8) + az__asin[12] * z4) * z4) * z4;
    double small = a * (z * p);
    double big = 2.0 * (rl + root * (z * p));
    g.a = a;
    g.y.hi = a > 0.5 ? 2.0 * rh : a;
    g.y.lo = a > 0.5 ? big : small;
    return g;
}

AZ__INLINE double az_asin(double x)
{
    az__arc g = az__arc_of(x);
    double h = 0x1.921fb54442d18p+0 - g.y.hi;
    double e = (0x1.921fb54442d18p+0 - h) - g.y.hi;
    double big = h + (e + (0x1.1a62633145c07p-54 - g.y.lo));
    double small = g.y.hi + g.y.lo;
    double y = g.a > 0.5 ? big : small;
    return az__double(az__bits(y) | (az__bits(x) & AZ__SIGN));
}

AZ__INLINE double az_acos(double x)
{
    az__arc g = az__arc_of(x);
    /* acos(x) = base + v: base 0, pi/2 or pi and v = +y or -y. */
    double bh = x < 0.0 ? 0x1.921fb54442d18p+1 : 0.0;
    double bl = x < 0.0 ? 0x1.1a62633145c07p-53 : 0.0;
    bh = g.a > 0.5 ? bh : 0x1.921fb54442d18p+0;
    bl = g.a > 0.5 ? bl : 0x1.1a62633145c07p-54;
    uint64_t sign = az__bits(x) & AZ__SIGN;
    double vh = az__double(az__bits(g.y.hi) ^ sign);
    double vl = az__double(az__bits(g.y.lo) ^ sign);
    vh = g.a > 0.5 ? vh : -vh;
    vl = g.a > 0.5 ? vl : -vl;
    double h = bh + vh;
    double e = (bh - h) + vh;
    return h + (e + (bl + vl));
}

#define AZ__TAN_1 0x1.a827999fcef32p-2 /* tan(pi/8) */
#define AZ__TAN_3 0x1.3504f333f9de6p+1 /* tan(3 pi/8) */

AZ__INLINE double az_atan(double x)
{
    double a = __builtin_fabs(x);
    a = a > 0x1p60 ? 0x1p60 : a; /* pi/2 from there on; inf would make 0 inf */
    /* n / d = tan(atan(a) - c), c = ch + cl = 0, pi/4, pi/2.  Two plain selections each:
     * with nested ?: gcc 12 does not vectorise, in a helper it makes twice the blends. */
    double less = a - 1.0;
    double more = a + 1.0;
    double lessl = (-1.0 - less) + a;
    double morel = (1.0 - more) + a;
    az__dd n, d;
    n.hi = a > AZ__TAN_1 ? less : a;
    n.lo = a > AZ__TAN_1 ? lessl : 0.0;
    d.hi = a > AZ__TAN_1 ? more : 1.0;
    d.lo = a > AZ__TAN_1 ? morel : 0.0;
    double ch = a > AZ__TAN_1 ? 0x1.921fb54442d18p-1 : 0.0;
    double cl = a > AZ__TAN_1 ? 0x1.1a62633145c07p-55 : 0.0;
    n.hi = a > AZ__TAN_3 ? -1.0 : n.hi;
    n.lo = a > AZ__TAN_3 ? 0.0 : n.lo;
    d.hi = a > AZ__TAN_3 ? a : d.hi;
    d.lo = a > AZ__TAN_3 ? 0.0 : d.lo;
    ch = a > AZ__TAN_3 ? 0x1.921fb54442d18p+0 : ch;
    cl = a > AZ__TAN_3 ? 0x1.1a62633145c07p-54 : cl;
    az__dd q = az__divide(n, d);
    double z = q.hi * q.hi;
    double z2 = z * z;
    double z4 = z2 * z2;
    double p = AZ__P4(z, z2, az__atan) +
               (AZ__P4(z, z2, az__atan + 4) + AZ__P4(z, z2, az__atan + 8) * z4) * z4;
    double h = ch + q.hi;
    double e = (ch - h) + q.hi;
    double y = h + (e + (cl + ((q.lo - q.lo * z) + q.hi * (z * p))));
    return az__double(az__bits(y) | (az__bits(x) & AZ__SIGN));
}

/* ---- lanes -------------------------------------------------------------------- */

#define AZ__LANES(F)                                                \
    AZ__INLINE void az_##F##_n(double *out, const double *a, int n) \
    {                                                               \
        AZ__SIMD                                                    \
        for (int l = 0; l < n; l++)                                 \
            out[l] = az_##F(a[l]);                                  \
    }

AZ__LANES(exp)
AZ__LANES(sigmoid)
AZ__LANES(log)
AZ__LANES(asin)
AZ__LANES(acos)
AZ__LANES(atan)

#endif
