/* Three algorithms as one would write them in C, for comparison: training and validation of one
 * task after the other, the number of features fixed at compile time (-DF=…), state in local
 * arrays. Built with -O3 -march=native, with and without fused multiply-adds. With -DREORDER sums
 * may be added in any order; without, they are added as the text says, so that only loops without
 * sums run on vectors. For the network the first layer is then kept by columns (w[j][i] belongs to
 * feature j and unit i), whose products a compiler can do on vectors in the given order.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define EACH(i) for (int i = 0; i < F; ++i)
/* Without it gcc 12 makes a mess of loops over a matrix of 16 columns. */
#define SIMD _Pragma("omp simd")
#ifdef REORDER
#define SUM(total) _Pragma("omp simd reduction(+ : total)")
#else
#define SUM(total)
#endif
#define LIMIT 100.0

typedef struct {
    int64_t tasks, train, valid;
    /* [task][example][F] and [task][example]; labels of `logistic` are 0 and 1 */
    const double *x_train, *y_train, *x_valid, *y_valid;
    double *fitness;     /* [task] */
    double *predictions; /* [task][example], of the validation */
} work;

static inline double dot(const double *restrict a, const double *restrict b)
{
    double total = 0.0;
    SUM(total)
    EACH(i) total += a[i] * b[i];
    return total;
}

static double of_rmse(const double *restrict p, const double *restrict y, int64_t n)
{
    double squares = 0.0;
    for (int64_t t = 0; t < n; ++t) {
        const double error = y[t] - p[t];
        if (!(fabs(error) <= LIMIT))
            return 0.0;
        squares += error * error;
    }
    return 1.0 - 2.0 / M_PI * atan(sqrt(squares / (double)n));
}

static double of_accuracy(const double *restrict p, const double *restrict y, int64_t n)
{
    int64_t right = 0;
    for (int64_t t = 0; t < n; ++t)
        right += (1.0 / (1.0 + exp(-p[t])) > 0.5) == (y[t] == 1.0);
    return (double)right / (double)n;
}

/* The examples of one task. */
#define PARTS(k)                                                      \
    const double *restrict x = w->x_train + (k) * w->train * F;       \
    const double *restrict y = w->y_train + (k) * w->train;           \
    const double *restrict x_valid = w->x_valid + (k) * w->valid * F; \
    const double *restrict y_valid = w->y_valid + (k) * w->valid;     \
    double *restrict p_valid = w->predictions + (k) * w->valid;

/* ---- linear regression ---------------------------------------------------------------------- */

static double linear_task(const work *w, int64_t k)
{
    PARTS(k)
    const double rate = 0.001;
    double weights[F] = {0};
    for (int64_t t = 0; t < w->train; ++t, x += F) {
        const double error = y[t] - dot(x, weights);
        if (!(fabs(error) <= LIMIT))
            return 0.0;
        const double step = rate * error;
        EACH(i) weights[i] += step * x[i];
    }
    for (int64_t t = 0; t < w->valid; ++t, x_valid += F)
        p_valid[t] = dot(x_valid, weights);
    return of_rmse(p_valid, y_valid, w->valid);
}

/* ---- logistic regression -------------------------------------------------------------------- */

static double logistic_task(const work *w, int64_t k)
{
    PARTS(k)
    double weights[F] = {0}, bias = 0.0, rate = 0.1;
    for (int64_t t = 0; t < w->train; ++t, x += F) {
        const double error = y[t] - 1.0 / (1.0 + exp(-(dot(x, weights) + bias)));
        if (!(fabs(error) <= LIMIT))
            return 0.0;
        const double step = rate * error;
        EACH(i) weights[i] += step * x[i];
        bias += step;
        rate *= 0.998;
    }
    for (int64_t t = 0; t < w->valid; ++t, x_valid += F)
        p_valid[t] = dot(x_valid, weights) + bias;
    return of_accuracy(p_valid, y_valid, w->valid);
}

/* ---- a network with one hidden layer of F units --------------------------------------------- */

typedef struct {
    _Alignas(64) double w[F][F];
    _Alignas(64) double c[F], u[F], b;
} layers;

static inline double forward(
    const layers *restrict n,
    const double *restrict x,
    double *restrict hidden,
    double *restrict active)
{
#ifdef REORDER
    EACH(i) hidden[i] = dot(n->w[i], x) + n->c[i];
#else
    double sum[F] = {0};
    EACH(j) SIMD EACH(i) sum[i] += n->w[j][i] * x[j];
    EACH(i) hidden[i] = sum[i] + n->c[i];
#endif
    EACH(i) active[i] = hidden[i] > 0.0 ? hidden[i] : 0.0;
    return dot(n->u, active) + n->b;
}

static double network_task(const work *w, int64_t k)
{
    PARTS(k)
    const double rate = 0.001;
    _Alignas(64) double hidden[F], active[F], back[F];
    layers n = {.b = 0.0};
    EACH(i) n.u[i] = 0.1;
    EACH(i) EACH(j) n.w[i][j] = 0.1 * 0.1;
    for (int64_t t = 0; t < w->train; ++t, x += F) {
        const double error = y[t] - forward(&n, x, hidden, active);
        if (!(fabs(error) <= LIMIT))
            return 0.0;
        const double step = rate * error;
        EACH(i) back[i] = hidden[i] > 0.0 ? step * n.u[i] : 0.0;
        EACH(i) n.u[i] += step * active[i];
        EACH(i) n.c[i] += back[i];
        n.b += step;
#ifdef REORDER
        EACH(i) SIMD EACH(j) n.w[i][j] += back[i] * x[j];
#else
        EACH(j) SIMD EACH(i) n.w[j][i] += x[j] * back[i];
#endif
    }
    for (int64_t t = 0; t < w->valid; ++t, x_valid += F)
        p_valid[t] = forward(&n, x_valid, hidden, active);
    return of_rmse(p_valid, y_valid, w->valid);
}

#define ALGORITHM(name)                        \
    void name(const work *w)                   \
    {                                          \
        for (int64_t k = 0; k < w->tasks; ++k) \
            w->fitness[k] = name##_task(w, k); \
    }
ALGORITHM(linear)
ALGORITHM(logistic)
ALGORITHM(network)
