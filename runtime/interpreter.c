/* The interpreter. Memory of one evaluation, all cells in one allocation, each on a cache line:
 *
 *     | features, label, prediction, zeros | the program's addresses and constants, scratch |
 *
 * Cells that Predict writes come `block` times in a row, one copy per example of a block; training
 * uses the first copy. The features are no copy but a pointer into the examples, set in the steps
 * that read them from one example to the next, unless the program writes v0; likewise a scalar
 * label.
 */
#include "interpreter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "azmath.h"
#include "random.h"

/* Under the address sanitizer a fence of 64 bytes behind every cell, so that it sees a kernel that
 * runs over its cell's end. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define AZ_FENCE 8
#else
#define AZ_FENCE 0
#endif

/* Copies of Predict's cells, and the examples beside them, should fit this much of the L1 cache. */
#define AZ_BLOCK_BYTES 16384
#define AZ_BLOCK_MOST 64
/* Examples between two looks at which lanes are dead; a dead lane's results no longer change. */
#define AZ_LOOK 8

enum { PHASE_SETUP, PHASE_TRAIN, PHASE_VALIDATE, PHASE_DONE };

struct az_machine {
    az_plan plan;
    const az_kernel_set *kernels;
    az_batch batch;
    az_settings settings;
    int64_t block; /* examples per dispatch where they are independent */
    uint64_t keys[AZ_MAX_LANES];
    double *predictions;
    /* one allocation: steps, lists of operands to set, cells, a copy of them, order of examples */
    void *buffer;
    size_t bytes;
    az_step *step, *entry[3]; /* all steps, and each function's first */
    az_frame frame;           /* of single examples */
    const double ***feature_slots[3], ***label_slots[3]; /* NULL-terminated, by function */
    double **cell;   /* [cells] */
    int64_t *stride; /* [cells] doubles from one example's copy to the next */
    double *memory, *saved;
    int64_t *order;
    int64_t memory_doubles;
    /* course of the run */
    int phase;
    int64_t epoch, position, done;
    uint32_t alive;     /* lanes still training */
    uint32_t validated; /* lanes still in this epoch's validation */
    double bad[AZ_MAX_LANES], total[AZ_MAX_LANES];
    double fitness[AZ_MAX_LANES], value[AZ_MAX_LANES];
};

az_machine *az_machine_new(void)
{
    return calloc(1, sizeof(az_machine));
}

void az_machine_free(az_machine *m)
{
    if (!m)
        return;
    az_plan_free(&m->plan);
    free(m->buffer);
    free(m);
}

/* ---- memory -------------------------------------------------------------------------------- */

static void choose_block(az_machine *m)
{
    int64_t per_example = m->batch.features * m->batch.lanes;
    for (int32_t c = 0; c < m->plan.cells; ++c)
        if (m->plan.by_predict[c])
            per_example += az_line(m->plan.size[c]);
    int64_t block = m->settings.block;
    if (block <= 0) {
        block = AZ_BLOCK_BYTES / ((int64_t)sizeof(double) * per_example);
        block = block < 1 ? 1 : block > AZ_BLOCK_MOST ? AZ_BLOCK_MOST : block;
    }
    const int64_t most = m->batch.valid > m->batch.train ? m->batch.valid : m->batch.train;
    m->block = !m->plan.facts.stateless ? 1 : block > most ? most : block;
}

/* Doubles from a cell's beginning to the next one's, or to its next copy. */
static int64_t span(const az_machine *m, int32_t cell)
{
    return az_line(m->plan.size[cell]) + AZ_FENCE;
}

static int64_t copies(const az_machine *m, int32_t cell)
{
    return m->plan.by_predict[cell] ? m->block : 1;
}

/* A lane that stops in the middle of a validation keeps its memory as it then was; that needs a
 * copy where Predict carries something over to the next epoch. */
static int needs_saving(const az_machine *m)
{
    return m->batch.classes == 0 && m->settings.epochs > 1 && !m->plan.facts.stateless;
}

static int64_t lines_of(int64_t count, size_t size)
{
    return (count * (int64_t)size + 63) & ~INT64_C(63);
}

/* Plans the program and adds up what it needs; bytes, or -1 and why in `status`. */
static int64_t measure(
    az_machine *m,
    const az_program *program,
    const az_batch *batch,
    const az_settings *settings,
    int *status)
{
    const az_shape shape = {batch->features, batch->classes, batch->lanes, settings->keep_dead};
    m->batch = *batch;
    m->settings = *settings;
    *status = az_plan_make(&m->plan, program, &shape);
    if (*status != AZ_READY)
        return -1;
    if (m->plan.own_features)
        m->plan.by_predict[m->plan.features] = 1;
    if (m->plan.own_label)
        m->plan.by_predict[m->plan.label] = 1;
    choose_block(m);
    m->memory_doubles = 0;
    for (int32_t c = 0; c < m->plan.cells; ++c)
        m->memory_doubles += span(m, c) * copies(m, c);
    const int64_t steps = m->plan.first[3], cells = m->plan.cells;
    return lines_of(steps + 3, sizeof *m->step) + 2 * lines_of(3 * (3 * steps + 1), sizeof(void *)) +
           lines_of(cells, sizeof *m->cell) + lines_of(cells, sizeof *m->stride) +
           m->memory_doubles * (needs_saving(m) ? 2 : 1) * (int64_t)sizeof(double) +
           (m->settings.epochs > 1 ? lines_of(batch->train, sizeof *m->order) : 0);
}

int64_t az_machine_bytes(
    az_machine *m,
    const az_program *program,
    const az_batch *batch,
    const az_settings *settings)
{
    int status;
    return measure(m, program, batch, settings, &status);
}

/* Adds the operands of one function's steps that are the given cell to a NULL-terminated list. */
static const double ***list_slots(az_machine *m, int function, int32_t cell, const double ***list)
{
    const az_draft *d = m->plan.draft + m->plan.first[function];
    az_step *step = m->entry[function];
    for (int64_t s = m->plan.first[function]; s < m->plan.first[function + 1]; ++s, ++d, ++step) {
        if (d->a == cell)
            *list++ = &step->a;
        if (d->b == cell)
            *list++ = &step->b;
        if (d->c == cell)
            *list++ = &step->c;
    }
    *list++ = NULL;
    return list;
}

static inline void point(const double ***slots, const double *at)
{
    for (; *slots; ++slots)
        **slots = at;
}

/* The step behind a function's last. */
static void finish(const az_step *in, const az_frame *frame)
{
    (void)in, (void)frame;
}

/* Cuts the buffer up, and turns drafts into steps on real memory. */
static void resolve(az_machine *m)
{
    const az_plan *p = &m->plan;
    const int64_t steps = p->first[3];
    char *next = m->buffer;
    m->step = (az_step *)next;
    next += lines_of(steps + 3, sizeof *m->step);
    const double ***features = (const double ***)next;
    next += lines_of(3 * (3 * steps + 1), sizeof(void *));
    const double ***labels = (const double ***)next;
    next += lines_of(3 * (3 * steps + 1), sizeof(void *));
    m->cell = (double **)next;
    next += lines_of(p->cells, sizeof *m->cell);
    m->stride = (int64_t *)next;
    next += lines_of(p->cells, sizeof *m->stride);
    m->memory = (double *)next;
    m->saved = m->memory + m->memory_doubles;
    m->order = (int64_t *)(m->saved + (needs_saving(m) ? m->memory_doubles : 0));

    double *cell = m->memory;
    for (int32_t c = 0; c < p->cells; ++c) {
        m->cell[c] = cell;
        m->stride[c] = copies(m, c) > 1 ? span(m, c) : 0;
        cell += span(m, c) * copies(m, c);
    }
    if (!p->own_features) /* examples lie one after the other */
        m->stride[p->features] = m->batch.features * m->batch.lanes;
    az_step *step = m->step;
    for (int f = 0; f < 3; ++f) {
        m->entry[f] = step;
        for (int64_t s = p->first[f]; s < p->first[f + 1]; ++s) {
            const az_draft *d = &p->draft[s];
            *step++ = (az_step){
                m->kernels->one[d->kernel], m->cell[d->out], m->cell[d->a], m->cell[d->b],
                m->cell[d->c], m->kernels->block[d->kernel],
                {m->stride[d->out], m->stride[d->a], m->stride[d->b], m->stride[d->c]}, d->place};
        }
        *step++ = (az_step){.kernel = finish, .block_kernel = finish};
        m->feature_slots[f] = features;
        features = list_slots(m, f, p->own_features ? -1 : p->features, features);
        m->label_slots[f] = labels;
        labels = list_slots(m, f, p->own_label ? -1 : p->label, labels);
        /* Zero in Setup; the label also in Predict. */
        point(m->feature_slots[f], m->cell[p->zero_vector]);
        point(m->label_slots[f], m->cell[p->zero_scalar]);
    }
}

/* Forbids, or allows again, all memory behind the cells' ends. */
static void fence(az_machine *m, int up)
{
#ifdef __SANITIZE_ADDRESS__
    for (int32_t c = 0; up && c < m->plan.cells; ++c)
        for (int64_t k = 0; k < copies(m, c); ++k) {
            double *end = m->cell[c] + k * span(m, c) + m->plan.size[c];
            ASAN_POISON_MEMORY_REGION(end, (span(m, c) - m->plan.size[c]) * sizeof *end);
        }
    if (!up)
        ASAN_UNPOISON_MEMORY_REGION(m->buffer, m->bytes);
#else
    (void)m, (void)up;
#endif
}

int az_machine_prepare(
    az_machine *m,
    const az_kernel_set *kernels,
    const az_program *program,
    const az_batch *batch,
    const az_settings *settings,
    double *predictions)
{
    int status;
    const int64_t bytes = measure(m, program, batch, settings, &status), L = batch->lanes;
    if (status != AZ_READY)
        return status;
    fence(m, 0);
    if (!az_reserve(&m->buffer, &m->bytes, (size_t)bytes))
        return AZ_NO_MEMORY;
    m->kernels = kernels;
    resolve(m);
    memset(m->memory, 0, (size_t)m->memory_doubles * sizeof(double));
    for (int32_t i = 0; i < m->plan.constants; ++i)
        for (int64_t l = 0; l < L; ++l)
            m->cell[m->plan.constant_cell[i]][l] = m->plan.constant[i];
    fence(m, 1);
    for (int64_t l = 0; l < L; ++l) {
        m->keys[l] = az_key(settings->seed, batch->keys[l]);
        m->bad[l] = m->fitness[l] = 0.0;
        m->value[l] = batch->classes ? 0.0 : INFINITY;
    }
    m->frame = (az_frame){m->keys, batch->features, 1, 0};
    m->predictions = predictions;
    m->phase = PHASE_SETUP;
    m->epoch = m->position = m->done = 0;
    m->alive = batch->active;
    return AZ_READY;
}

/* ---- calls --------------------------------------------------------------------------------- */

static inline void call(az_machine *m, int function, uint64_t step)
{
    const az_step *in = m->entry[function];
    m->frame.step = step;
    in->kernel(in, &m->frame);
}

static inline void call_block(const az_machine *m, int function, int64_t block, uint64_t step)
{
    const az_frame frame = {m->keys, m->batch.features, block, step};
    const az_step *in = m->entry[function];
    in->block_kernel(in, &frame);
}

/* v0 := x, for a block of consecutive examples. */
static inline void set_features(az_machine *m, int function, const double *x, int64_t block)
{
    point(m->feature_slots[function], x);
    if (!m->plan.own_features)
        return;
    const int64_t size = m->batch.features * m->batch.lanes;
    double *to = m->cell[m->plan.features];
    for (int64_t k = 0; k < block; ++k)
        memcpy(to + k * m->stride[m->plan.features], x + k * size, (size_t)size * sizeof *x);
}

static inline void clear_label(az_machine *m, int64_t block)
{
    if (!m->plan.own_label)
        return;
    const int32_t label = m->plan.label;
    for (int64_t k = 0; k < block; ++k)
        memset(m->cell[label] + k * m->stride[label], 0,
               (size_t)m->plan.size[label] * sizeof(double));
}

static inline void set_label(az_machine *m, const double *y)
{
    const int64_t L = m->batch.lanes;
    double *label = m->cell[m->plan.label];
    if (!m->plan.own_label) {
        point(m->label_slots[AZ_LEARN], y);
    } else if (m->batch.classes > 2) {
        memset(label, 0, (size_t)m->plan.size[m->plan.label] * sizeof(double));
        for (int64_t l = 0; l < L; ++l)
            label[(int64_t)y[l] * L + l] = 1.0;
    } else {
        memcpy(label, y, (size_t)L * sizeof(double));
    }
}

static inline void predict(az_machine *m, const double *x, int64_t block, uint64_t step)
{
    set_features(m, AZ_PREDICT, x, block);
    clear_label(m, block);
    if (block == 1)
        call(m, AZ_PREDICT, step);
    else
        call_block(m, AZ_PREDICT, block, step);
}

/* ---- training ------------------------------------------------------------------------------ */

/* Notes lanes whose error on one example is NaN or above the limit; the prediction becomes what
 * Learn sees of it. */
static inline void judge(az_machine *m, const double *y, double *prediction)
{
    const int64_t C = m->batch.classes;
    const double limit = m->settings.max_abs_error;
    if (C > 2) {
        m->kernels->softmax(prediction, C);
        m->kernels->judge_classes(m->bad, y, prediction, C, limit);
        return;
    }
    if (C)
        m->kernels->sigmoid(prediction);
    m->kernels->judge(m->bad, y, prediction, limit);
}

static void bury(az_machine *m)
{
    for (int64_t l = 0; l < m->batch.lanes; ++l)
        if (m->bad[l] > 0.0)
            m->alive &= ~(UINT32_C(1) << l);
}

/* Trains up to example `end` of the epoch, or until every lane is dead. */
static void train_some(az_machine *m, int64_t end, uint64_t first_step)
{
    const int64_t L = m->batch.lanes, row = m->batch.features * L;
    const int64_t *order = m->epoch ? m->order : NULL;
    const int learns = m->plan.facts.learns || m->settings.keep_dead;
    const int64_t most = !learns && m->plan.facts.stateless_training && !order ? m->block : 1;
    const int32_t out = m->plan.prediction;
    int64_t looked = m->position;
    while (m->position < end && m->alive) {
        const int64_t left = end - m->position, block = left < most ? left : most;
        const int64_t t = order ? order[m->position] : m->position;
        const uint64_t step = first_step + (uint64_t)m->position;
        const double *x = m->batch.x_train + t * row, *y = m->batch.y_train + t * L;
        predict(m, x, block, step);
        for (int64_t k = 0; k < block; ++k)
            judge(m, y + k * L, m->cell[out] + k * m->stride[out]);
        if (learns) {
            set_features(m, AZ_LEARN, x, 1);
            set_label(m, y);
            call(m, AZ_LEARN, step);
        }
        m->position += block;
        m->done += block;
        if (m->position - looked >= AZ_LOOK || m->position >= end) {
            bury(m);
            looked = m->position;
        }
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

/* Copies lane l of all memory from one place to another. */
static void copy_lane(const az_machine *m, double *to, const double *from, int64_t l)
{
    for (int32_t c = 0; c < m->plan.cells; ++c) {
        const int64_t offset = m->cell[c] - m->memory;
        for (int64_t e = l; e < m->plan.size[c]; e += m->batch.lanes)
            to[offset + e] = from[offset + e];
    }
}

static void keep_predictions(az_machine *m, int64_t example, const double *prediction)
{
    const int64_t L = m->batch.lanes, width = m->batch.classes > 2 ? m->batch.classes : 1;
    for (int64_t l = 0; l < L; ++l)
        if (m->validated >> l & 1)
            for (int64_t c = 0; c < width; ++c)
                m->predictions[(l * m->batch.valid + example) * width + c] = prediction[c * L + l];
}

static void score(az_machine *m, int64_t example, const double *prediction)
{
    const double *y = m->batch.y_valid + example * m->batch.lanes;
    if (m->predictions)
        keep_predictions(m, example, prediction);
    if (m->batch.classes > 2) {
        m->kernels->score_classes(m->total, y, prediction, m->batch.classes);
    } else if (m->batch.classes) {
        m->kernels->score_binary(m->total, y, prediction);
    } else {
        const uint32_t stopped =
            m->kernels->score_squares(m->total, y, prediction, m->settings.max_abs_error) &
            m->validated;
        if (!stopped)
            return;
        m->validated &= ~stopped;
        if (needs_saving(m))
            for (int64_t l = 0; l < m->batch.lanes; ++l)
                if (stopped >> l & 1)
                    copy_lane(m, m->saved, m->memory, l);
    }
}

static void validate_some(az_machine *m, int64_t end, uint64_t first_step)
{
    const int64_t row = m->batch.features * m->batch.lanes;
    const int32_t out = m->plan.prediction;
    while (m->position < end && m->validated) {
        int64_t block = end - m->position < m->block ? end - m->position : m->block;
        predict(m, m->batch.x_valid + m->position * row, block,
                first_step + (uint64_t)m->position);
        for (int64_t k = 0; k < block; ++k)
            score(m, m->position + k, m->cell[out] + k * m->stride[out]);
        m->position += block;
        m->done += block;
    }
}

static void begin_validation(az_machine *m)
{
    const int64_t L = m->batch.lanes, width = m->batch.classes > 2 ? m->batch.classes : 1;
    m->phase = PHASE_VALIDATE;
    m->position = 0;
    m->validated = m->alive;
    for (int64_t l = 0; l < L; ++l) {
        m->total[l] = 0.0;
        for (int64_t i = 0; m->predictions && m->alive >> l & 1 && i < m->batch.valid * width; ++i)
            m->predictions[l * m->batch.valid * width + i] = NAN;
    }
}

/* 1 - (2 / pi) atan(RMSE), or the accuracy; the best epoch counts. */
static void end_validation(az_machine *m)
{
    const double n = (double)m->batch.valid;
    for (int64_t l = 0; l < m->batch.lanes; ++l) {
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
        if (!(m->validated >> l & 1) && needs_saving(m))
            copy_lane(m, m->memory, m->saved, l);
    }
    ++m->epoch;
    /* Without learning, state and randomness every epoch is like the first. */
    const az_facts *facts = &m->plan.facts;
    const int settled = !facts->learns && facts->stateless_training && !facts->random;
    m->phase = m->epoch < m->settings.epochs && !settled ? PHASE_TRAIN : PHASE_DONE;
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
        call(m, AZ_SETUP, 0);
        m->phase = PHASE_TRAIN;
    }
    while (m->phase != PHASE_DONE && m->done < until) {
        if (m->phase == PHASE_TRAIN) {
            train_some(m, sooner(m->batch.train, m->position, until - m->done), step_of(m, 0));
            if (!m->alive)
                m->phase = PHASE_DONE;
            else if (m->position == m->batch.train)
                begin_validation(m);
        } else {
            validate_some(m, sooner(m->batch.valid, m->position, until - m->done), step_of(m, 1));
            if (m->position == m->batch.valid || !m->validated)
                end_validation(m);
        }
    }
    return m->phase == PHASE_DONE;
}

int64_t az_machine_done(const az_machine *m)
{
    return m->done;
}

const double *az_machine_fitness(const az_machine *m)
{
    return m->fitness;
}

const double *az_machine_value(const az_machine *m)
{
    return m->value;
}
