/* The floating-point environment in which all numbers are made: round to nearest, subnormal numbers
 * as they are, no traps.
 *
 * It belongs to the thread, and others change it: a library linked with -Ofast sets subnormal
 * numbers to zero for whoever loads it, and a program may choose another rounding. So whatever
 * Python calls of the runtime is wrapped here: it begins by setting this environment and ends by
 * putting the caller's back. */
#ifndef AZ_ENVIRONMENT_H
#define AZ_ENVIRONMENT_H

#include "interpreter.h"
#include "island.h"

#if defined(__SSE2__)
#include <immintrin.h>

typedef unsigned int az_environment;

static inline az_environment az_enter(void)
{
    const az_environment before = _mm_getcsr();
    _mm_setcsr(0x1f80);
    return before;
}

static inline void az_leave(az_environment before)
{
    _mm_setcsr(before);
}
#else
#include <fenv.h>

typedef fenv_t az_environment;

static inline az_environment az_enter(void)
{
    az_environment before;
    fegetenv(&before);
    fesetenv(FE_DFL_ENV);
    return before;
}

static inline void az_leave(az_environment before)
{
    fesetenv(&before);
}
#endif

static inline int az_enter_machine_prepare(
    az_machine *machine, const az_kernel_set *kernels, const az_work *work)
{
    const az_environment before = az_enter();
    const int status = az_machine_prepare(machine, kernels, work);
    az_leave(before);
    return status;
}

static inline void az_enter_machine_begin(az_machine *machine, const az_part *part)
{
    const az_environment before = az_enter();
    az_machine_begin(machine, part);
    az_leave(before);
}

static inline void az_enter_machine_predict(
    az_machine *machine, const double *x, int64_t count, uint64_t step, double *to)
{
    const az_environment before = az_enter();
    az_machine_predict(machine, x, count, step, to);
    az_leave(before);
}

static inline int az_enter_machine_learn(
    az_machine *machine, int64_t first, int64_t end, uint64_t step)
{
    const az_environment before = az_enter();
    const int alive = az_machine_learn(machine, first, end, step);
    az_leave(before);
    return alive;
}

static inline int az_enter_machine_run(az_machine *machine, int64_t examples)
{
    const az_environment before = az_enter();
    const int finished = az_machine_run(machine, examples);
    az_leave(before);
    return finished;
}

static inline int az_enter_island_run(az_island *island, int64_t until, int64_t nanoseconds)
{
    const az_environment before = az_enter();
    const int reason = az_island_run(island, until, nanoseconds);
    az_leave(before);
    return reason;
}

static inline void az_enter_island_receive(
    az_island *island, int32_t position, const az_candidate *program, double fitness, int64_t birth)
{
    const az_environment before = az_enter();
    az_island_receive(island, position, program, fitness, birth);
    az_leave(before);
}

static inline double az_enter_island_evaluate(az_island *island, const az_candidate *program)
{
    const az_environment before = az_enter();
    const double fitness = az_island_evaluate(island, program);
    az_leave(before);
    return fitness;
}

#endif
