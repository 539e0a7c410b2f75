/* The course of an evaluation: Setup, then epoch by epoch training and validation, which lanes are
 * still alive, and what fitness comes of it. How a program is run is its engine's business. */
#include "machine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "azmath.h"
#include "random.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

az_machine *az_machine_new(void)
{
    return calloc(1, sizeof(az_machine));
}

void az_machine_free(az_machine *m)
{
    if (!m)
        return;
    az_plan_free(&m->plan);
    az_normals_free(&m->normals);
    free(m->buffer);
    free(m);
}

/* ---- memory -------------------------------------------------------------------------------- */

/* Bytes of the engine's arrays, the memory and its copy, and the order of examples. */
typedef struct {
    int64_t arrays, memory, order;
} sizes;

/* Plans the program and adds up what it needs; AZ_READY or why not. */
static int measure(az_machine *m, const az_work *work, sizes *to)
{
    const az_batch *batch = work->batch;
    const az_shape shape = {
        batch->features, batch->classes, batch->lanes, work->settings->keep_dead,
        work->settings->addressable};
    m->batch = *batch;
    m->settings = *work->settings;
    m->native = work->native;
    m->native_kernels = work->native_kernels;
    m->constants = work->constants;
    m->places = work->places;
    m->engine = m->native ? &az_native_engine : &az_interpreter;
    const int status = az_plan_make(&m->plan, work->program, &shape, work->known);
    if (status != AZ_READY)
        return status;
    to->arrays = m->engine->measure(m);
    to->memory = m->memory_doubles * (int64_t)sizeof(double);
    to->order = m->settings.epochs > 1 ? az_lines_of(batch->train, sizeof *m->order) : 0;
    return AZ_READY;
}

static int64_t total(const az_machine *m, const sizes *size)
{
    return size->arrays + size->memory * (az_needs_saving(m) ? 2 : 1) + size->order;
}

int64_t az_machine_bytes(az_machine *m, const az_work *work)
{
    sizes size;
    return measure(m, work, &size) == AZ_READY ? total(m, &size) : -1;
}

int az_machine_prepare(az_machine *m, const az_kernel_set *kernels, const az_work *work)
{
    sizes size;
    const int status = measure(m, work, &size);
    const az_batch *batch = work->batch;
    if (status != AZ_READY)
        return status;
#ifdef __SANITIZE_ADDRESS__
    if (m->buffer)
        ASAN_UNPOISON_MEMORY_REGION(m->buffer, m->bytes);
#endif
    if (!az_reserve(&m->buffer, &m->bytes, (size_t)total(m, &size)))
        return AZ_NO_MEMORY;
    m->kernels = kernels;
    m->memory = (double *)((char *)m->buffer + size.arrays);
    m->saved = m->memory + m->memory_doubles;
    m->order = (int64_t *)(m->saved + (az_needs_saving(m) ? m->memory_doubles : 0));
    for (int64_t l = 0; l < batch->lanes; ++l)
        m->keys[l] = az_key(m->settings.seed, batch->keys[l]);
    m->engine->prepare(m, m->buffer);
    return AZ_READY;
}

int64_t az_machine_constants(const az_machine *m)
{
    return m->plan.constants;
}

void az_machine_begin(az_machine *m, const az_part *part)
{
    m->batch.train = part->train;
    m->batch.valid = part->valid;
    m->settings.epochs = part->epochs;
    m->predictions = part->predictions;
    m->seen = part->seen;
    m->train_only = part->train_only;
    m->heard = NULL;
    for (int64_t l = 0; l < m->batch.lanes; ++l) {
        m->bad[l] = m->fitness[l] = 0.0;
        m->value[l] = m->batch.classes ? 0.0 : INFINITY;
    }
    m->engine->begin(m);
    m->phase = PHASE_SETUP;
    m->epoch = m->position = m->done = m->trained = 0;
    m->alive = m->batch.active;
}

/* ---- training ------------------------------------------------------------------------------ */

void az_judge(az_machine *m, const double *y, double *prediction, int64_t stride, int64_t count)
{
    const int64_t C = m->batch.classes;
    const double limit = m->settings.max_abs_error;
    for (int64_t k = 0; C > 2 && k < count; ++k) {
        m->kernels->softmax(prediction + k * stride, C);
        m->kernels->judge_classes(
            m->bad, y + k * m->batch.lanes, prediction + k * stride, C, limit);
    }
    for (int64_t k = 0; C == 2 && k < count; ++k)
        m->kernels->sigmoid(prediction + k * stride);
    if (C <= 2)
        m->kernels->judge(m->bad, y, prediction, stride, count, limit);
}

static void bury(az_machine *m)
{
    uint64_t any = 0; /* bits of what is mostly all zero */
    for (int64_t l = 0; l < m->batch.lanes; ++l) {
        uint64_t bits;
        memcpy(&bits, &m->bad[l], sizeof bits);
        any |= bits;
    }
    for (int64_t l = 0; any && l < m->batch.lanes; ++l)
        if (m->bad[l] > 0.0)
            m->alive &= ~(UINT32_C(1) << l);
}

/* Trains up to example `end` of the epoch, or until every lane is dead. */
static void train_some(az_machine *m, int64_t end, uint64_t first_step)
{
    while (m->position < end && m->alive) {
        const int64_t served = m->engine->train(m, end, first_step);
        m->position += served;
        m->done += served;
        m->trained += served;
        bury(m);
    }
}

/* A new order of the training examples (Fisher and Yates), a function of seed and epoch. */
static void shuffle(az_machine *m)
{
    const uint64_t key = az_key(m->settings.seed, UINT64_C(0x6f72646572)); /* "order" */
    const int64_t n = m->batch.train;
    for (int64_t i = 0; i < n; ++i)
        m->order[i] = i;
    for (int64_t i = n - 1; i > 0; --i) {
        const uint64_t word = az_philox(key, (uint32_t)i, 0, (uint64_t)m->epoch).first;
        const int64_t j = (int64_t)(((word >> 32) * (uint64_t)(i + 1)) >> 32);
        const int64_t swapped = m->order[i];
        m->order[i] = m->order[j];
        m->order[j] = swapped;
    }
}

/* ---- validation ---------------------------------------------------------------------------- */

static void keep_predictions(az_machine *m, int64_t example, const double *prediction)
{
    const int64_t L = m->batch.lanes, width = az_width(m);
    for (int64_t l = 0; l < L; ++l)
        if (m->validated >> l & 1)
            for (int64_t c = 0; c < width; ++c)
                m->predictions[(l * m->batch.valid + example) * width + c] = prediction[c * L + l];
}

/* What a fingerprint is made of. A lane without a task repeats one that has: where some have
 * stopped it must not tell more than they do. */
static void see(az_machine *m, int64_t example, const double *prediction)
{
    const int64_t L = m->batch.lanes, width = az_width(m) * L;
    double *to = m->seen + (m->batch.train + example) * width;
    memcpy(to, prediction, (size_t)width * sizeof *to);
    for (int64_t i = 0; m->validated != m->batch.active && i < width; ++i)
        if (!(m->validated >> (i % L) & 1))
            to[i] = NAN;
}

/* Scores `count` examples, their predictions so many doubles apart. More than one only where
 * nothing is to be noted between them. */
static void score(
    az_machine *m, int64_t example, const double *prediction, int64_t stride, int64_t count)
{
    const az_kernel_set *kernels = m->kernels;
    const double *y = m->batch.y_valid + example * m->batch.lanes;
    if (m->predictions)
        keep_predictions(m, example, prediction);
    if (m->seen)
        see(m, example, prediction);
    if (m->batch.classes > 2) {
        for (int64_t k = 0; k < count; ++k)
            kernels->score_classes(
                m->total, y + k * m->batch.lanes, prediction + k * stride, m->batch.classes);
    } else if (m->batch.classes) {
        kernels->score_binary(m->total, y, prediction, stride, count);
    } else {
        const uint32_t stopped =
            kernels->score_squares(
                m->total, y, prediction, stride, count, m->settings.max_abs_error) &
            m->validated;
        if (!stopped)
            return;
        m->validated &= ~stopped;
        if (az_needs_saving(m))
            for (int64_t l = 0; l < m->batch.lanes; ++l)
                if (stopped >> l & 1)
                    m->engine->copy_lane(m, m->saved, m->memory, l);
    }
}

static void validate_some(az_machine *m, int64_t end, uint64_t first_step)
{
    const int64_t row = m->batch.features * m->batch.lanes;
    while (m->position < end && m->validated) {
        const int64_t left = end - m->position, block = left < m->block ? left : m->block;
        const int64_t together = m->predictions || m->seen || az_needs_saving(m) ? 1 : block;
        int64_t stride;
        const double *prediction = m->engine->predict(
            m, m->batch.x_valid + m->position * row, block, first_step + (uint64_t)m->position,
            &stride);
        for (int64_t k = 0; k < block; k += together)
            score(m, m->position + k, prediction + k * stride, stride, together);
        m->position += block;
        m->done += block;
    }
}

/* Of what a fingerprint is made: what lanes did not come to see is NaN, in training from the
 * example on that ended it. */
static void hide_unseen(az_machine *m, int64_t validated)
{
    const int64_t L = m->batch.lanes, width = az_width(m), train = m->batch.train;
    const int64_t rows = train + m->batch.valid, seen = train + validated;
    for (int64_t i = m->trained * width * L; i < train * width * L; ++i)
        m->seen[i] = NAN;
    for (int64_t l = 0; l < L; ++l)
        if (az_machine_died(m, l))
            for (int64_t i = (az_machine_trained(m, l) - 1) * width; i < m->trained * width; ++i)
                m->seen[i * L + l] = NAN;
    for (int64_t i = seen * width * L; i < rows * width * L; ++i)
        m->seen[i] = NAN;
}

static void begin_validation(az_machine *m)
{
    const int64_t L = m->batch.lanes, width = az_width(m);
    m->phase = PHASE_VALIDATE;
    m->position = 0;
    m->validated = m->alive;
    for (int64_t l = 0; l < L; ++l) {
        m->total[l] = 0.0;
        for (int64_t i = 0; m->predictions && m->alive >> l & 1 && i < m->batch.valid * width; ++i)
            m->predictions[l * m->batch.valid * width + i] = NAN;
    }
}

/* Without learning, state and randomness every epoch is like the first. */
static int is_last_epoch(const az_machine *m)
{
    const az_facts *facts = &m->plan.facts;
    const int settled = !facts->learns && facts->stateless_training && !facts->random;
    return m->epoch + 1 >= m->settings.epochs || settled;
}

/* 1 - (2 / pi) atan(RMSE), or the accuracy; the best epoch counts. */
static void end_validation(az_machine *m)
{
    const double n = (double)m->batch.valid;
    const int last = is_last_epoch(m);
    if (m->seen)
        hide_unseen(m, m->position);
    for (int64_t l = 0; !m->seen && l < m->batch.lanes; ++l) {
        if (!(m->alive >> l & 1))
            continue;
        double value = m->total[l] / n, fitness = value;
        if (!m->batch.classes) {
            value = m->validated >> l & 1 ? sqrt(value) : INFINITY;
            fitness = value < INFINITY ? 1.0 - 0.63661977236758134308 * az_atan(value) : 0.0;
        }
        if (fitness > m->fitness[l]) {
            m->fitness[l] = fitness;
            m->value[l] = value;
        }
        if (!(m->validated >> l & 1) && az_needs_saving(m))
            m->engine->copy_lane(m, m->memory, m->saved, l);
    }
    ++m->epoch;
    m->phase = last ? PHASE_DONE : PHASE_TRAIN;
    m->position = 0;
    if (m->phase == PHASE_TRAIN)
        shuffle(m);
}

/* ---- run ----------------------------------------------------------------------------------- */

static int64_t sooner(int64_t end, int64_t position, int64_t examples)
{
    return examples < end - position ? position + examples : end;
}

/* Step numbers, for random draws: 0 is Setup, then epoch by epoch training and validation. */
static uint64_t step_of(const az_machine *m, int validating)
{
    const int64_t per_epoch = m->batch.train + m->batch.valid;
    return (uint64_t)(1 + m->epoch * per_epoch + (validating ? m->batch.train : 0));
}

int az_machine_run(az_machine *m, int64_t examples)
{
    const int64_t until = m->done + (examples > 0 ? examples : 1);
    if (m->phase == PHASE_SETUP) {
        m->engine->setup(m);
        m->phase = PHASE_TRAIN;
    }
    while (m->phase != PHASE_DONE && m->done < until) {
        if (m->phase == PHASE_TRAIN) {
            train_some(m, sooner(m->batch.train, m->position, until - m->done), step_of(m, 0));
            if (!m->alive) {
                m->phase = PHASE_DONE;
                if (m->seen)
                    hide_unseen(m, 0);
            }
            if (m->alive && m->position == m->batch.train) {
                if (m->train_only && is_last_epoch(m))
                    m->phase = PHASE_DONE;
                else
                    begin_validation(m);
            }
        } else {
            validate_some(m, sooner(m->batch.valid, m->position, until - m->done), step_of(m, 1));
            if (m->position == m->batch.valid || !m->validated)
                end_validation(m);
        }
    }
    return m->phase == PHASE_DONE;
}

/* ---- a trained machine --------------------------------------------------------------------- */

void az_machine_validate(az_machine *m)
{
    m->train_only = 0;
    if (m->alive)
        begin_validation(m);
}

double *az_machine_cell(az_machine *m, int type, int32_t number, int64_t lane)
{
    const az_address_map *map = &m->plan.map;
    const int32_t address = az_address(map, type, number);
    if (number < 0 || address >= (type < AZ_MATRIX ? map->offset[type + 1] : map->count))
        return NULL;
    const int32_t cell = m->plan.cell_of[address];
    return cell < 0 ? NULL : m->cell[cell] + lane;
}

double *az_machine_cell_at(az_machine *m, int64_t offset, int64_t lane)
{
    const int64_t lanes = m->native->lanes;
    return m->memory + lane / lanes * m->native->memory + offset + lane % lanes;
}

size_t az_machine_held(const az_machine *m)
{
    return m->bytes;
}

void az_machine_predict(az_machine *m, const double *x, int64_t count, uint64_t step, double *to)
{
    const int64_t row = m->batch.features * m->batch.lanes, width = az_width(m) * m->batch.lanes;
    for (int64_t done = 0, block; done < count; done += block) {
        int64_t stride;
        block = count - done < m->block ? count - done : m->block;
        const double *predictions =
            m->engine->predict(m, x + done * row, block, step + (uint64_t)done, &stride);
        for (int64_t k = 0; k < block; ++k)
            memcpy(to + (done + k) * width, predictions + k * stride, (size_t)width * sizeof *to);
    }
}

int64_t az_machine_doubles(const az_machine *m)
{
    return m->memory_doubles;
}

/* All of it, with what lies between cells, which sanitizers forbid. */
__attribute__((no_sanitize_address)) static void copy(double *to, const double *from, int64_t count)
{
    for (int64_t i = 0; i < count; ++i)
        to[i] = from[i];
}

void az_machine_keep(const az_machine *m, double *to)
{
    copy(to, m->memory, m->memory_doubles);
}

void az_machine_go_back(az_machine *m, const double *to)
{
    copy(m->memory, to, m->memory_doubles);
}

int az_machine_learn(az_machine *m, int64_t first, int64_t end, uint64_t step)
{
    if (first == 0) {
        m->epoch = m->position = m->trained = 0;
        m->alive = m->batch.active;
        for (int64_t l = 0; l < m->batch.lanes; ++l)
            m->bad[l] = 0.0;
    }
    train_some(m, end, step);
    return m->alive && m->position == end;
}

void az_machine_hear(az_machine *m, double *to, int64_t from)
{
    m->heard = to;
    m->heard_from = from;
}

int64_t az_machine_done(const az_machine *m)
{
    return m->done;
}

int az_machine_died(const az_machine *m, int64_t lane)
{
    return m->bad[lane] > 0.0;
}

int64_t az_machine_trained(const az_machine *m, int64_t lane)
{
    return az_machine_died(m, lane) ? m->trained - (int64_t)m->bad[lane] + 1 : m->trained;
}

const double *az_machine_fitness(const az_machine *m)
{
    return m->fitness;
}

const double *az_machine_value(const az_machine *m)
{
    return m->value;
}
