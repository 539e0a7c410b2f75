/* The interpreter. Memory of one evaluation, all cells in one allocation, each on a cache line:
 *
 *     | features, label, prediction, zeros | the program's addresses and constants, scratch |
 *
 * Cells that Predict writes come `block` times in a row, one copy per example of a block; training
 * uses the first copy. The features are no copy but a pointer into the examples, set in the steps
 * that read them from one example to the next, unless the program writes v0; likewise a scalar
 * label.
 */
#include "machine.h"

#include <string.h>

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
/* Doubles of one example between which the next one is asked for ahead: processors see shorter rows
 * follow each other by themselves, and foresee longer ones once they are read. */
#define AZ_FETCH_LEAST 64
#define AZ_FETCH_MOST 256

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

/* Predict's stand there twice. */
static int64_t most_steps(const az_machine *m)
{
    return m->plan.first[3] + m->plan.first[AZ_LEARN] - m->plan.first[AZ_PREDICT];
}

static int64_t measure(az_machine *m)
{
    if (m->plan.own_features)
        m->plan.by_predict[m->plan.features] = 1;
    if (m->plan.own_label)
        m->plan.by_predict[m->plan.label] = 1;
    choose_block(m);
    m->memory_doubles = 0;
    for (int32_t c = 0; c < m->plan.cells; ++c)
        m->memory_doubles += span(m, c) * copies(m, c);
    const int64_t cells = m->plan.cells;
    return az_lines_of(most_steps(m) + AZ_CALLS + 1, sizeof *m->step) +
           2 * az_lines_of(3 * most_steps(m) + AZ_CALLS, sizeof(void *)) +
           az_lines_of(cells, sizeof *m->cell) + az_lines_of(cells, sizeof *m->stride);
}

/* Adds the operands of one function's steps, which begin at `step`, that are the given cell to a
 * NULL-terminated list. */
static const double ***list_slots(
    const az_machine *m, int function, az_step *step, int32_t cell, const double ***list)
{
    const az_draft *d = m->plan.draft + m->plan.first[function];
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

/* Where Setup draws normal numbers that are kept, has the step scale those. */
static void use_normals(az_machine *m, const az_draft *d, az_step *step)
{
    const int64_t entries = m->plan.size[d->out] / m->batch.lanes;
    const double *normals = az_normals_at(&m->normals, m->kernels, m->keys, d->place, entries);
    if (!normals)
        return;
    step->kernel = m->kernels->one[AZ_GAUSSIAN_OF];
    step->c = normals;
    step->place = (uint32_t)entries;
}

/* Turns one function's drafts into steps on real memory; returns what comes behind them. */
static az_step *resolve_function(az_machine *m, int function, az_step *step)
{
    const az_draft *d = m->plan.draft + m->plan.first[function];
    const az_draft *end = m->plan.draft + m->plan.first[function + 1];
    for (; d < end; ++d, ++step) {
        *step = (az_step){
            m->kernels->one[d->kernel],
            m->cell[d->out],
            m->cell[d->a],
            m->cell[d->b],
            m->cell[d->c],
            m->kernels->block[d->kernel],
            {m->stride[d->out], m->stride[d->a], m->stride[d->b], m->stride[d->c]},
            d->place};
        if (function == AZ_SETUP && az_is_gaussian(d->kernel))
            use_normals(m, d, step);
    }
    return step;
}

/* Cuts the arrays up, and makes the calls:
 *
 *     AZ_SETUP      Setup, end
 *     AZ_PREDICT    Predict, end
 *     AZ_TRAIN      Predict, judge,
 *     AZ_LEARN                      Learn, end
 */
static void resolve(az_machine *m, char *next)
{
    const az_plan *p = &m->plan;
    const az_step end = {.kernel = az_stop, .block_kernel = az_stop};
    m->step = (az_step *)next;
    next += az_lines_of(most_steps(m) + AZ_CALLS + 1, sizeof *m->step);
    const double ***features = (const double ***)next;
    next += az_lines_of(3 * most_steps(m) + AZ_CALLS, sizeof(void *));
    const double ***labels = (const double ***)next;
    next += az_lines_of(3 * most_steps(m) + AZ_CALLS, sizeof(void *));
    m->cell = (double **)next;
    next += az_lines_of(p->cells, sizeof *m->cell);
    m->stride = (int64_t *)next;

    double *cell = m->memory;
    for (int32_t c = 0; c < p->cells; ++c) {
        m->cell[c] = cell;
        m->stride[c] = copies(m, c) > 1 ? span(m, c) : 0;
        cell += span(m, c) * copies(m, c);
    }
    if (!p->own_features) /* examples lie one after the other */
        m->stride[p->features] = m->batch.features * m->batch.lanes;
    static const struct {
        int call, function;
    } parts[] = {
        {AZ_SETUP, AZ_SETUP},
        {AZ_PREDICT, AZ_PREDICT},
        {AZ_TRAIN, AZ_PREDICT},
        {AZ_LEARN, AZ_LEARN}};
    az_step *step = m->step;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i) {
        const int call = parts[i].call, function = parts[i].function;
        m->entry[call] = step;
        step = resolve_function(m, function, step);
        if (call == AZ_TRAIN) {
            m->judge = step;
            *step++ = (az_step){
                .kernel = m->batch.classes ? m->kernels->judge_step_binary : m->kernels->judge_step,
                .out = m->bad,
                .b = m->cell[p->prediction]};
        } else {
            *step++ = end;
        }
        m->feature_slots[call] = features;
        features =
            list_slots(m, function, m->entry[call], p->own_features ? -1 : p->features, features);
        m->label_slots[call] = labels;
        labels = list_slots(m, function, m->entry[call], p->own_label ? -1 : p->label, labels);
    }
}

/* Forbids all memory behind the cells' ends. */
static void fence(az_machine *m)
{
#ifdef __SANITIZE_ADDRESS__
    for (int32_t c = 0; c < m->plan.cells; ++c)
        for (int64_t k = 0; k < copies(m, c); ++k) {
            double *end = m->cell[c] + k * span(m, c) + m->plan.size[c];
            ASAN_POISON_MEMORY_REGION(end, (span(m, c) - m->plan.size[c]) * sizeof *end);
        }
#else
    (void)m;
#endif
}

static void prepare(az_machine *m, char *arrays)
{
    resolve(m, arrays);
    m->frame = (az_frame){m->keys, m->batch.features, 1, 0, m->settings.max_abs_error, NULL};
    fence(m);
}

/* Of cells with copies only the first is cleared: the others are for blocks of examples, to which
 * nothing is carried over. */
static void clear(az_machine *m)
{
    for (int32_t c = 0; c < m->plan.cells; ++c)
        memset(m->cell[c], 0, (size_t)m->plan.size[c] * sizeof(double));
}

static void begin(az_machine *m)
{
    const int64_t L = m->batch.lanes;
    clear(m);
    for (int32_t i = 0; i < m->plan.constants; ++i)
        for (int64_t l = 0; l < L; ++l)
            m->cell[m->plan.constant_cell[i]][l] =
                m->constants ? m->constants[i * L + l] : m->plan.constant[i];
    for (int c = 0; c < AZ_CALLS; ++c) { /* zero in Setup; the label also in Predict */
        point(m->feature_slots[c], m->cell[m->plan.zero_vector]);
        point(m->label_slots[c], m->cell[m->plan.zero_scalar]);
    }
}

/* ---- calls --------------------------------------------------------------------------------- */

static inline void call(az_machine *m, int which, uint64_t step)
{
    const az_step *in = m->entry[which];
    m->frame.step = step;
    in->kernel(in, &m->frame);
}

static inline void call_block(const az_machine *m, int function, int64_t block, uint64_t step)
{
    const az_frame frame = {m->keys, m->batch.features, block, step, 0.0, NULL};
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
        memset(
            m->cell[label] + k * m->stride[label], 0, (size_t)m->plan.size[label] * sizeof(double));
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

static inline void predict_some(az_machine *m, const double *x, int64_t block, uint64_t step)
{
    set_features(m, AZ_PREDICT, x, block);
    clear_label(m, block);
    if (block == 1)
        call(m, AZ_PREDICT, step);
    else
        call_block(m, AZ_PREDICT, block, step);
}

static void setup(az_machine *m)
{
    call(m, AZ_SETUP, 0);
}

/* One example, as most programs are trained: features and label are pointed to, and Predict, its
 * judgement and Learn are one call. */
static inline void train_at_once(az_machine *m, const double *x, const double *y, uint64_t step)
{
    point(m->feature_slots[AZ_TRAIN], x);
    point(m->feature_slots[AZ_LEARN], x);
    point(m->label_slots[AZ_LEARN], y);
    m->judge->a = y;
    call(m, AZ_TRAIN, step);
}

/* Some examples; more than one where there is nothing to learn. */
static inline void train_in_parts(
    az_machine *m, const double *x, const double *y, int64_t block, int learns, uint64_t step)
{
    const int32_t out = m->plan.prediction;
    predict_some(m, x, block, step);
    az_judge(m, y, m->cell[out], m->stride[out], block);
    for (int64_t k = 0; m->frame.kept && k < block; ++k) {
        const int64_t width = az_width(m) * m->batch.lanes;
        memcpy(
            m->frame.kept + k * width, m->cell[out] + k * m->stride[out],
            (size_t)width * sizeof *x);
    }
    if (learns) {
        set_features(m, AZ_LEARN, x, 1);
        set_label(m, y);
        call(m, AZ_LEARN, step);
    }
}

/* Asks for `size` doubles that are soon read. */
static inline void fetch(const double *from, int64_t size)
{
    for (int64_t e = 0; e < size; e += 8)
        __builtin_prefetch(from + e);
}

/* Which example comes at a position of the epoch; without an order, they come as they lie. */
static inline int64_t example_at(const int64_t *order, int64_t position)
{
    return order ? order[position] : position;
}

static int64_t train(az_machine *m, int64_t end, uint64_t first_step)
{
    const int64_t L = m->batch.lanes, row = m->batch.features * L;
    const int64_t *order = m->epoch ? m->order : NULL;
    const int learns = m->plan.facts.learns || m->settings.keep_dead;
    const int at_once =
        learns && !m->plan.own_features && !m->plan.own_label && m->batch.classes <= 2;
    const int64_t most =
        !learns && m->plan.facts.stateless_training && !order && !m->heard ? m->block : 1;
    const int fetches = row >= AZ_FETCH_LEAST && row <= AZ_FETCH_MOST;
    int64_t done = 0;
    while (m->position + done < end && done < AZ_LOOK) {
        const int64_t position = m->position + done, left = end - position;
        const int64_t block = left < most ? left : most, t = example_at(order, position);
        const uint64_t step = first_step + (uint64_t)position;
        const double *x = m->batch.x_train + t * row, *y = m->batch.y_train + t * L;
        if (fetches && left > block)
            fetch(m->batch.x_train + example_at(order, position + block) * row, row);
        m->frame.kept = m->seen ? m->seen + position * az_width(m) * L
                        : m->heard && position >= m->heard_from
                            ? m->heard + (position - m->heard_from) * az_width(m) * L
                            : NULL;
        if (at_once)
            train_at_once(m, x, y, step);
        else
            train_in_parts(m, x, y, block, learns, step);
        done += block;
    }
    return done;
}

static const double *predict(
    az_machine *m, const double *x, int64_t block, uint64_t step, int64_t *stride)
{
    predict_some(m, x, block, step);
    *stride = m->stride[m->plan.prediction];
    return m->cell[m->plan.prediction];
}

static void copy_lane(const az_machine *m, double *to, const double *from, int64_t l)
{
    for (int32_t c = 0; c < m->plan.cells; ++c) {
        const int64_t offset = m->cell[c] - m->memory;
        for (int64_t e = l; e < m->plan.size[c]; e += m->batch.lanes)
            to[offset + e] = from[offset + e];
    }
}

const az_engine az_interpreter = {measure, prepare, begin, setup, train, predict, copy_lane};
