/* The interpreter. Memory of one evaluation, all cells in one allocation, each on a cache line:
 *
 *     | features, label, prediction, zeros | the program's addresses and constants |
 *
 * Cells that Predict writes come `block` times in a row, one copy per example of a block; training
 * uses the first copy. The cell of the features is no memory but a pointer into the examples,
 * moved from one to the next, unless the program writes v0; likewise a scalar label.
 */
#include "interpreter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "azmath.h"
#include "random.h"

/* Copies of Predict's cells, and the examples beside them, should fit this much of the L1 cache. */
#define AZ_BLOCK_BYTES 16384
#define AZ_BLOCK_MOST 64

enum { PHASE_SETUP, PHASE_TRAIN, PHASE_VALIDATE, PHASE_DONE };

struct az_machine {
    /* plan */
    const az_kernel_set *kernels;
    az_batch batch;
    az_settings settings;
    az_facts facts;
    az_interface io;
    az_address_map map;
    az_step *step;        /* Setup, Predict, Learn one after the other */
    int64_t first[4];     /* where each function begins in `step` */
    uint8_t *live;        /* [instructions] */
    uint8_t *scratch;     /* [2 * addresses] for the analysis */
    int32_t *cell_of;     /* [addresses] cell, or -1 */
    double **cell;        /* [cells] */
    int64_t *stride;      /* [cells] from one example's copy to the next */
    int64_t *size;        /* [cells] doubles */
    uint8_t *by_predict;  /* [cells] written in Predict */
    double *constant;     /* [constants] values, and the cells they fill */
    int32_t *constant_cell;
    int32_t cells, constants;
    int32_t features, label, prediction, zero_scalar, zero_vector, scratch_vector, scratch_matrix;
    int own_features, own_label; /* the program writes them, so they need memory */
    int64_t block;
    uint64_t keys[AZ_MAX_LANES];
    double *predictions;
    /* buffers */
    void *plan_buffer, *memory_buffer;
    size_t plan_bytes, memory_bytes;
    double *memory, *saved;
    int64_t *order;
    int64_t memory_doubles;
    /* course of the run */
    int phase;
    int64_t epoch, position, done;
    uint32_t alive;     /* lanes still training */
    uint32_t validated; /* lanes still in this epoch's validation */
    double total[AZ_MAX_LANES], fitness[AZ_MAX_LANES], value[AZ_MAX_LANES];
};

az_machine *az_machine_new(void)
{
    return calloc(1, sizeof(az_machine));
}

void az_machine_free(az_machine *m)
{
    if (!m)
        return;
    free(m->plan_buffer);
    free(m->memory_buffer);
    free(m);
}

/* At least `bytes` bytes on a cache line, contents lost; a buffer never shrinks. */
static int reserve(void **buffer, size_t *size, size_t bytes)
{
    if (*size >= bytes)
        return 1;
    free(*buffer);
    *size = 0;
    if (posix_memalign(buffer, 64, bytes)) {
        *buffer = NULL;
        return 0;
    }
    *size = bytes;
    return 1;
}

static inline int64_t line(int64_t doubles)
{
    return (doubles + 7) & ~INT64_C(7);
}

/* ---- plan ---------------------------------------------------------------------------------- */

/* Cuts arrays out of the plan's buffer; with a NULL base it only counts. */
typedef struct {
    char *base;
    size_t used;
} cutter;

static void *cut(cutter *c, size_t bytes)
{
    void *piece = c->base ? c->base + c->used : NULL;
    c->used += (bytes + 63) & ~(size_t)63;
    return piece;
}

static void cut_plan(az_machine *m, cutter *c, int64_t instructions)
{
    const size_t steps = (size_t)(2 * instructions);                 /* an op and a copy */
    const size_t cells = (size_t)(m->map.count + 3 * instructions) + 8; /* constants, zeros, scratch */
    m->step = cut(c, steps * sizeof *m->step);
    m->live = cut(c, (size_t)instructions);
    m->scratch = cut(c, 2 * (size_t)m->map.count);
    m->cell_of = cut(c, (size_t)m->map.count * sizeof *m->cell_of);
    m->cell = cut(c, cells * sizeof *m->cell);
    m->stride = cut(c, cells * sizeof *m->stride);
    m->size = cut(c, cells * sizeof *m->size);
    m->by_predict = cut(c, cells);
    m->constant = cut(c, 2 * (size_t)instructions * sizeof *m->constant);
    m->constant_cell = cut(c, 2 * (size_t)instructions * sizeof *m->constant_cell);
}

static int32_t new_cell(az_machine *m, int type)
{
    const int64_t F = m->batch.features;
    const int64_t entries = type == AZ_SCALAR ? 1 : type == AZ_VECTOR_TYPE ? F : F * F;
    m->size[m->cells] = entries * m->batch.lanes;
    m->by_predict[m->cells] = 0;
    return m->cells++;
}

static int32_t cell_of(az_machine *m, int type, int32_t number)
{
    int32_t *cell = &m->cell_of[az_address(&m->map, type, number)];
    if (*cell < 0)
        *cell = new_cell(m, type);
    return *cell;
}

static int32_t new_constant(az_machine *m, double value)
{
    const int32_t cell = new_cell(m, AZ_SCALAR);
    m->constant[m->constants] = value;
    m->constant_cell[m->constants++] = cell;
    return cell;
}

/* The entry that a constant index names; -1 if it lies outside. */
static int64_t entry_index(double index, int64_t features)
{
    if (index < 0.0) {
        const double coordinate = -index - 1.0;
        return coordinate < (double)features ? (int64_t)coordinate : -1;
    }
    const int64_t entry = (int64_t)((double)features * index);
    return entry < features ? entry : features - 1;
}

/* Turns one instruction into a step, or two where the op must not write over its operand. */
static int emit(
    az_machine *m, const az_instruction *in, int function, uint32_t random_index, int64_t *steps)
{
    const az_op_info *op = &az_ops[in->op];
    const int64_t F = m->batch.features;
    if (!op->result)
        return AZ_READY;
    const int32_t out = cell_of(m, op->result, in->out);
    az_step step = {m->kernels->op[in->op], out, out, out, 0};
    int32_t operand[2] = {out, out};
    int operands = 0;
    if (op->first)
        operand[operands++] = cell_of(m, op->first, in->a);
    if (op->second)
        operand[operands++] = cell_of(m, op->second, in->b);
    if (op->entry) {
        int64_t place = 0;
        for (int c = 0; c + 1 < op->constants; ++c) {
            const int64_t entry = entry_index(in->constant[c], F);
            if (entry < 0)
                return AZ_BAD_INDEX;
            place = place * F + entry;
        }
        step.place = (uint32_t)place;
        operand[operands++] = new_constant(m, in->constant[op->constants - 1]);
    } else {
        for (int c = 0; c < op->constants; ++c)
            operand[operands++] = new_constant(m, in->constant[c]);
        step.place = random_index;
    }
    step.a = operand[0];
    step.b = operand[1];
    const int collides = !op->in_place && (step.a == out || (op->second && step.b == out));
    if (collides) {
        int32_t *scratch = op->result == AZ_MATRIX ? &m->scratch_matrix : &m->scratch_vector;
        if (*scratch < 0)
            *scratch = new_cell(m, op->result);
        step.out = *scratch;
        m->by_predict[*scratch] |= function == AZ_PREDICT;
    }
    m->step[(*steps)++] = step;
    m->by_predict[out] |= function == AZ_PREDICT;
    if (collides) {
        const int copy = op->result == AZ_MATRIX ? AZ_COPY_MATRIX : AZ_COPY_VECTOR;
        m->step[(*steps)++] = (az_step){m->kernels->op[copy], out, step.out, step.out, 0};
    }
    return AZ_READY;
}

/* Everything but memory: analysis, steps, cells and their sizes. */
static int plan(
    az_machine *m,
    const az_kernel_set *kernels,
    const az_program *program,
    const az_batch *batch,
    const az_settings *settings)
{
    const int64_t instructions = program->count[0] + program->count[1] + program->count[2];
    m->kernels = kernels;
    m->batch = *batch;
    m->settings = *settings;
    m->io = az_interface_of(batch->classes);
    m->map = az_map_addresses(program);
    cutter count = {NULL, 0};
    cut_plan(m, &count, instructions);
    if (!reserve(&m->plan_buffer, &m->plan_bytes, count.used))
        return AZ_NO_MEMORY;
    cutter real = {m->plan_buffer, 0};
    cut_plan(m, &real, instructions);
    m->facts = az_find_live(program, &m->map, batch->classes, m->live, m->scratch);

    for (int32_t i = 0; i < m->map.count; ++i)
        m->cell_of[i] = -1;
    m->cells = m->constants = 0;
    m->scratch_vector = m->scratch_matrix = -1;
    m->own_features = 0;
    m->own_label = batch->classes > 2;
    /* The first of the cells are the interface's and the zeros. */
    m->features = cell_of(m, AZ_VECTOR_TYPE, 0);
    m->label = cell_of(m, m->io.label_type, m->io.label);
    m->prediction = cell_of(m, m->io.label_type, m->io.prediction);
    m->zero_scalar = new_cell(m, AZ_SCALAR);
    m->zero_vector = new_cell(m, AZ_VECTOR_TYPE);

    int64_t steps = 0, index = 0;
    uint32_t live_random = 0, dead_random = 0x80000000u;
    for (int f = 0; f < 3; ++f) {
        m->first[f] = steps;
        for (int64_t i = 0; i < program->count[f]; ++i, ++index) {
            const az_instruction *in = &program->body[f][i];
            if (!m->live[index] && !settings->keep_dead)
                continue;
            uint32_t random_index = 0;
            if (az_ops[in->op].random)
                random_index = m->live[index] ? live_random++ : dead_random++;
            const int64_t before = steps;
            const int status = emit(m, in, f, random_index, &steps);
            if (status != AZ_READY)
                return status;
            for (int64_t s = before; s < steps; ++s) {
                m->own_features |= m->step[s].out == m->features;
                m->own_label |= m->step[s].out == m->label;
            }
        }
    }
    m->first[3] = steps;
    return AZ_READY;
}

static void choose_block(az_machine *m)
{
    const int64_t L = m->batch.lanes, F = m->batch.features;
    int64_t per_example = F * L;
    for (int32_t c = 0; c < m->cells; ++c)
        if (m->by_predict[c])
            per_example += line(m->size[c]);
    int64_t block = m->settings.block;
    if (block <= 0) {
        block = AZ_BLOCK_BYTES / ((int64_t)sizeof(double) * per_example);
        block = block < 1 ? 1 : block > AZ_BLOCK_MOST ? AZ_BLOCK_MOST : block;
    }
    const int64_t most = m->batch.valid > m->batch.train ? m->batch.valid : m->batch.train;
    m->block = !m->facts.stateless ? 1 : block > most ? most : block;
}

/* Doubles that all cells need; sets strides. */
static int64_t measure(az_machine *m)
{
    int64_t doubles = 0;
    if (m->own_features)
        m->by_predict[m->features] = 1;
    if (m->own_label)
        m->by_predict[m->label] = 1;
    choose_block(m);
    for (int32_t c = 0; c < m->cells; ++c) {
        const int copied = m->by_predict[c] && m->block > 1;
        m->stride[c] = copied ? line(m->size[c]) : 0;
        doubles += line(m->size[c]) * (copied ? m->block : 1);
    }
    return doubles;
}

/* A lane that stops in the middle of a validation keeps its memory as it then was; that needs a
 * copy where Predict carries something over to the next epoch. */
static int needs_saving(const az_machine *m)
{
    return m->batch.classes == 0 && m->settings.epochs > 1 && !m->facts.stateless;
}

static int64_t bytes_needed(az_machine *m)
{
    m->memory_doubles = measure(m);
    const int64_t saved = needs_saving(m) ? m->memory_doubles : 0;
    const int64_t order = m->settings.epochs > 1 ? line(m->batch.train) : 0;
    return (m->memory_doubles + saved + order) * (int64_t)sizeof(double);
}

int64_t az_machine_bytes(
    az_machine *m,
    const az_kernel_set *kernels,
    const az_program *program,
    const az_batch *batch,
    const az_settings *settings)
{
    return plan(m, kernels, program, batch, settings) == AZ_READY ? bytes_needed(m) : -1;
}

int az_machine_prepare(
    az_machine *m,
    const az_kernel_set *kernels,
    const az_program *program,
    const az_batch *batch,
    const az_settings *settings,
    double *predictions)
{
    const int status = plan(m, kernels, program, batch, settings);
    if (status != AZ_READY)
        return status;
    const int64_t bytes = bytes_needed(m), L = batch->lanes;
    if (!reserve(&m->memory_buffer, &m->memory_bytes, (size_t)bytes))
        return AZ_NO_MEMORY;
    m->memory = m->memory_buffer;
    m->saved = m->memory + m->memory_doubles;
    m->order = (int64_t *)(m->saved + (needs_saving(m) ? m->memory_doubles : 0));
    memset(m->memory, 0, (size_t)m->memory_doubles * sizeof(double));

    double *next = m->memory;
    for (int32_t c = 0; c < m->cells; ++c) {
        m->cell[c] = next;
        next += line(m->size[c]) * (m->stride[c] ? m->block : 1);
    }
    for (int32_t i = 0; i < m->constants; ++i)
        for (int64_t l = 0; l < L; ++l)
            m->cell[m->constant_cell[i]][l] = m->constant[i];
    for (int64_t l = 0; l < L; ++l) {
        m->keys[l] = az_key(settings->seed, batch->keys[l]);
        m->fitness[l] = 0.0;
        m->value[l] = batch->classes ? 0.0 : INFINITY;
    }
    m->predictions = predictions;
    m->phase = PHASE_SETUP;
    m->epoch = m->position = m->done = 0;
    m->alive = batch->active;
    return AZ_READY;
}

/* ---- calls --------------------------------------------------------------------------------- */

static inline void call(const az_machine *m, int function, int64_t block, uint64_t step)
{
    const az_frame frame = {m->cell, m->stride, m->keys, m->batch.features, block, step};
    const az_step *end = m->step + m->first[function + 1];
    for (const az_step *in = m->step + m->first[function]; in < end; ++in)
        in->kernel(in, &frame);
}

/* v0 := x, for a block of consecutive examples. */
static inline void set_features(az_machine *m, const double *x, int64_t block)
{
    const int64_t size = m->batch.features * m->batch.lanes;
    if (!m->own_features) {
        m->cell[m->features] = (double *)x; /* never written: no step has this cell as output */
        m->stride[m->features] = size;
        return;
    }
    for (int64_t k = 0; k < block; ++k)
        memcpy(m->cell[m->features] + k * m->stride[m->features], x + k * size,
               (size_t)size * sizeof *x);
}

static inline void clear_label(az_machine *m, int64_t block)
{
    if (!m->own_label) {
        m->cell[m->label] = m->cell[m->zero_scalar];
        return;
    }
    const int64_t copies = m->stride[m->label] ? block : 1;
    for (int64_t k = 0; k < copies; ++k)
        memset(m->cell[m->label] + k * m->stride[m->label], 0,
               (size_t)m->size[m->label] * sizeof(double));
}

static inline void set_label(az_machine *m, const double *y)
{
    const int64_t L = m->batch.lanes;
    double *label = m->cell[m->label];
    if (!m->own_label) {
        m->cell[m->label] = (double *)y;
    } else if (m->batch.classes > 2) {
        memset(label, 0, (size_t)m->size[m->label] * sizeof(double));
        for (int64_t l = 0; l < L; ++l)
            label[(int64_t)y[l] * L + l] = 1.0;
    } else {
        memcpy(label, y, (size_t)L * sizeof(double));
    }
}

static void predict(az_machine *m, const double *x, int64_t block, uint64_t step)
{
    set_features(m, x, block);
    clear_label(m, block);
    call(m, AZ_PREDICT, block, step);
}

/* ---- training ------------------------------------------------------------------------------ */

/* Lanes whose error on one example is NaN or above the limit; the prediction becomes what Learn
 * sees of it. */
static uint32_t judge(az_machine *m, const double *y, double *prediction)
{
    const int64_t C = m->batch.classes;
    const double limit = m->settings.max_abs_error;
    if (C > 2) {
        m->kernels->softmax(prediction, C);
        return m->kernels->exceeds_classes(y, prediction, C, limit);
    }
    if (C)
        m->kernels->sigmoid(prediction);
    return m->kernels->exceeds(y, prediction, limit);
}

static void train_some(az_machine *m, int64_t end, uint64_t first_step)
{
    const int64_t L = m->batch.lanes, row = m->batch.features * L;
    const int in_blocks = !m->facts.learns && m->facts.stateless_training && m->epoch == 0;
    const int64_t *order = m->epoch ? m->order : NULL;
    while (m->position < end && m->alive) {
        const int64_t t = order ? order[m->position] : m->position;
        const uint64_t step = first_step + (uint64_t)m->position;
        const double *x = m->batch.x_train + t * row, *y = m->batch.y_train + t * L;
        int64_t block = 1;
        if (in_blocks)
            block = end - m->position < m->block ? end - m->position : m->block;
        predict(m, x, block, step);
        for (int64_t k = 0; k < block; ++k) {
            double *prediction = m->cell[m->prediction] + k * m->stride[m->prediction];
            m->alive &= ~judge(m, y + k * L, prediction);
        }
        if (m->facts.learns || m->settings.keep_dead) {
            set_features(m, x, 1);
            set_label(m, y);
            call(m, AZ_LEARN, 1, step);
        }
        m->position += block;
        m->done += block;
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
    for (int32_t c = 0; c < m->cells; ++c) {
        if (c == m->features && !m->own_features)
            continue;
        if (c == m->label && !m->own_label)
            continue;
        const int64_t offset = m->cell[c] - m->memory;
        for (int64_t e = l; e < m->size[c]; e += m->batch.lanes)
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
    const int64_t L = m->batch.lanes, row = m->batch.features * L;
    while (m->position < end && m->validated) {
        int64_t block = end - m->position < m->block ? end - m->position : m->block;
        predict(m, m->batch.x_valid + m->position * row, block,
                first_step + (uint64_t)m->position);
        for (int64_t k = 0; k < block; ++k)
            score(m, m->position + k, m->cell[m->prediction] + k * m->stride[m->prediction]);
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
    const int settled = !m->facts.learns && m->facts.stateless_training && !m->facts.random;
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
        if (!m->own_features) {
            m->cell[m->features] = m->cell[m->zero_vector];
            m->stride[m->features] = 0;
        }
        clear_label(m, 1);
        call(m, AZ_SETUP, 1, 0);
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

int64_t az_machine_total(const az_machine *m)
{
    return m->settings.epochs * (m->batch.train + m->batch.valid);
}

const double *az_machine_fitness(const az_machine *m)
{
    return m->fitness;
}

const double *az_machine_value(const az_machine *m)
{
    return m->value;
}

az_facts az_machine_facts(const az_machine *m)
{
    return m->facts;
}
