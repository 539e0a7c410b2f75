/* The conventional way to evaluate such programs, for comparison: one task after the other, one
 * function pointer per instruction, memory of one task, the number of features fixed at compile
 * time (-DF=…) as the reference implementation's template parameter is. Built with
 * -O3 -march=native. With -DREORDER the compiler may add in any order, which this project forbids
 * itself; without, it keeps the order that the program's text gives.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    double s[20];
    double v[20][F];
    double m[20][F][F];
} memory;

typedef struct instruction {
    void (*run)(const struct instruction *, memory *);
    int32_t out, a, b;
    double constant;
} instruction;

#define OP(name) static void name(const instruction *in, memory *mem)
#define EACH for (int i = 0; i < F; ++i)
#ifdef REORDER
#define SUM _Pragma("omp simd reduction(+ : total)")
#else
#define SUM
#endif

OP(scalar_const)
{
    mem->s[in->out] = in->constant;
}
OP(scalar_add)
{
    mem->s[in->out] = mem->s[in->a] + mem->s[in->b];
}
OP(scalar_sub)
{
    mem->s[in->out] = mem->s[in->a] - mem->s[in->b];
}
OP(scalar_mul)
{
    mem->s[in->out] = mem->s[in->a] * mem->s[in->b];
}
OP(scalar_vector_mul)
{
    const double a = mem->s[in->a];
    EACH mem->v[in->out][i] = a * mem->v[in->b][i];
}
OP(vector_broadcast)
{
    EACH mem->v[in->out][i] = mem->s[in->a];
}
OP(vector_add)
{
    EACH mem->v[in->out][i] = mem->v[in->a][i] + mem->v[in->b][i];
}
OP(vector_mul)
{
    EACH mem->v[in->out][i] = mem->v[in->a][i] * mem->v[in->b][i];
}
OP(vector_heaviside)
{
    EACH mem->v[in->out][i] = mem->v[in->a][i] > 0.0 ? 1.0 : 0.0;
}
OP(vector_max)
{
    EACH
    {
        const double a = mem->v[in->a][i], b = mem->v[in->b][i];
        mem->v[in->out][i] = a < b ? b : a;
    }
}
OP(dot)
{
    const double *a = mem->v[in->a], *b = mem->v[in->b];
    double total = 0.0;
    SUM EACH total += a[i] * b[i];
    mem->s[in->out] = total;
}
OP(outer)
{
    const double *a = mem->v[in->a], *b = mem->v[in->b];
    double (*out)[F] = mem->m[in->out];
    EACH for (int j = 0; j < F; ++j) out[i][j] = a[i] * b[j];
}
OP(matrix_vector_dot)
{
    double out[F];
    EACH
    {
        const double *row = mem->m[in->a][i], *b = mem->v[in->b];
        double total = 0.0;
        SUM for (int j = 0; j < F; ++j) total += row[j] * b[j];
        out[i] = total;
    }
    memcpy(mem->v[in->out], out, sizeof out);
}
OP(matrix_add)
{
    const double *a = mem->m[in->a][0], *b = mem->m[in->b][0];
    double *out = mem->m[in->out][0];
    for (int k = 0; k < F * F; ++k)
        out[k] = a[k] + b[k];
}

/* The paper's numbers of the ops this knows. */
static void (*const ops[65])(const instruction *, memory *) = {
    [1] = scalar_add,
    [2] = scalar_sub,
    [3] = scalar_mul,
    [16] = vector_heaviside,
    [18] = scalar_vector_mul,
    [19] = vector_broadcast,
    [23] = vector_add,
    [25] = vector_mul,
    [27] = dot,
    [28] = outer,
    [31] = matrix_vector_dot,
    [39] = matrix_add,
    [48] = vector_max,
    [56] = scalar_const,
};

typedef struct {
    int32_t op, out, a, b;
    double constant[3];
} packed;

static int prepare(instruction *to, const packed *from, int n)
{
    for (int i = 0; i < n; ++i) {
        if (!ops[from[i].op])
            return -1;
        to[i] =
            (instruction){ops[from[i].op], from[i].out, from[i].a, from[i].b, from[i].constant[0]};
    }
    return n;
}

static void call(const instruction *body, int n, memory *mem)
{
    for (int i = 0; i < n; ++i)
        body[i].run(&body[i], mem);
}

/* Regression on tasks x [task][example][F], y [task][example]; fitness per task. `weights`
 * [task][F][F + 1] starts m0 and v1, which Setup cannot do here without random ops. Returns -1 for
 * an op that this file lacks. */
int evaluate(
    const packed *setup,
    int n_setup,
    const packed *predict,
    int n_predict,
    const packed *learn,
    int n_learn,
    int64_t tasks,
    int64_t train,
    int64_t valid,
    const double *x_train,
    const double *y_train,
    const double *x_valid,
    const double *y_valid,
    double *fitness)
{
    static memory mem;
    instruction s[64], p[64], l[64];
    if (prepare(s, setup, n_setup) < 0 || prepare(p, predict, n_predict) < 0 ||
        prepare(l, learn, n_learn) < 0)
        return -1;
    for (int64_t t = 0; t < tasks; ++t) {
        memset(&mem, 0, sizeof mem);
        call(s, n_setup, &mem);
        fitness[t] = 0.0;
        int stopped = 0;
        for (int64_t i = 0; i < train && !stopped; ++i) {
            memcpy(mem.v[0], x_train + (t * train + i) * F, sizeof mem.v[0]);
            mem.s[0] = 0.0;
            call(p, n_predict, &mem);
            stopped = !(fabs(y_train[t * train + i] - mem.s[1]) <= 100.0);
            memcpy(mem.v[0], x_train + (t * train + i) * F, sizeof mem.v[0]);
            mem.s[0] = y_train[t * train + i];
            call(l, n_learn, &mem);
        }
        double squares = 0.0;
        for (int64_t i = 0; i < valid && !stopped; ++i) {
            memcpy(mem.v[0], x_valid + (t * valid + i) * F, sizeof mem.v[0]);
            mem.s[0] = 0.0;
            call(p, n_predict, &mem);
            const double error = y_valid[t * valid + i] - mem.s[1];
            stopped = !(fabs(error) <= 100.0);
            squares += error * error;
        }
        if (!stopped)
            fitness[t] = 1.0 - 2.0 / M_PI * atan(sqrt(squares / (double)valid));
    }
    return 0;
}
