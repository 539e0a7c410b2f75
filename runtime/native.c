/* Compiled programs: calls of their functions. Memory is the emitter's business but for its size, and
 * that each chunk of lanes has its own; where it keeps which address, `azc/compiler/layout.py` tells. */
#include "machine.h"

#include <string.h>

/* Examples of one call: few enough that stopping late costs little. */
#define AZ_CALL_MOST 64

static int64_t chunks(const az_machine *m)
{
    return m->batch.lanes / m->native->lanes;
}

static int64_t native_measure(az_machine *m)
{
    m->block = az_needs_saving(m) ? 1 : AZ_CALL_MOST;
    m->memory_doubles = chunks(m) * m->native->memory;
    return az_lines_of(m->block * az_width(m) * m->batch.lanes, sizeof *m->raw);
}

static void native_prepare(az_machine *m, char *arrays)
{
    m->raw = (double *)arrays;
}

static void native_begin(az_machine *m)
{
    memset(m->memory, 0, (size_t)m->memory_doubles * sizeof *m->memory);
}

static az_call call_of(az_machine *m, int mode, uint64_t step)
{
    return (az_call){
        .mode = mode,
        .step = step,
        .chunks = chunks(m),
        .span = m->native->memory,
        .memory = m->memory,
        .constants = m->constants,
        .places = m->places,
        .keys = m->keys,
        .kernels = m->native_kernels,
        .classes = m->batch.classes,
        .limit = m->settings.max_abs_error,
        .bad = m->bad,
        .predictions = m->raw,
    };
}

static void native_setup(az_machine *m)
{
    az_call call = call_of(m, AZ_CALL_SETUP, 0);
    call.count = 1;
    call.x = m->batch.x_train;
    call.y = m->batch.y_train;
    m->native->run(&call);
}

static int64_t native_train(az_machine *m, int64_t end, uint64_t first_step)
{
    const int64_t left = end - m->position;
    az_call call = call_of(m, AZ_CALL_TRAIN, first_step + (uint64_t)m->position);
    call.first = m->position;
    call.count = left < AZ_CALL_MOST ? left : AZ_CALL_MOST;
    call.order = m->epoch ? m->order : NULL;
    call.x = m->batch.x_train;
    call.y = m->batch.y_train;
    m->native->run(&call);
    return call.count;
}

static const double *native_predict(
    az_machine *m, const double *x, int64_t block, uint64_t step, int64_t *stride)
{
    az_call call = call_of(m, AZ_CALL_PREDICT, step);
    call.count = block;
    call.x = x;
    m->native->run(&call);
    *stride = az_width(m) * m->batch.lanes;
    return m->raw;
}

static void native_copy_lane(const az_machine *m, double *to, const double *from, int64_t l)
{
    const int64_t lanes = m->native->lanes, start = l / lanes * m->native->memory;
    for (int64_t e = start + l % lanes; e < start + m->native->memory; e += lanes)
        to[e] = from[e];
}

const az_engine az_native_engine = {native_measure, native_prepare, native_begin,    native_setup,
                                    native_train,   native_predict, native_copy_lane};
