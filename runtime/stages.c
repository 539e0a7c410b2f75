/* Evaluation in stages. */
#include "stages.h"

#include <math.h>
#include <string.h>

static void begin(az_trial *t, int from, int to)
{
    for (int i = from; i < to && !t->failed; ++i) {
        const az_lanes *lanes = &t->interpreted.lanes[i];
        az_trial_prepare(t, lanes);
        if (!t->failed)
            az_machine_begin(
                lanes->machine,
                &(az_part){.train = t->train, .valid = t->valid, .epochs = t->settings.epochs});
    }
}

/* The fitness over the tasks of the blocks before `to`, which are the first `tasks` of all; those
 * from `from` on are run to the end, the others were. */
static double finish(az_trial *t, int from, int to, int64_t tasks)
{
    double sum = 0.0;
    for (int i = from; i < to && !t->failed; ++i) {
        const az_lanes *lanes = &t->interpreted.lanes[i];
        az_machine_hear(lanes->machine, NULL, 0);
        while (!az_machine_run(lanes->machine, INT64_C(1) << 40))
            continue;
        for (int64_t l = 0; l < lanes->batch->lanes; ++l)
            if (lanes->batch->active >> l & 1)
                t->fitness[lanes->task[l]] = az_machine_fitness(lanes->machine)[l];
    }
    if (t->median)
        return az_trial_median(t, tasks);
    for (int64_t i = 0; i < tasks; ++i)
        sum += t->fitness[i];
    return sum / (double)tasks;
}

static void count(az_trial *t, int from, int to)
{
    int64_t steps = 0;
    for (int i = from; i < to && !t->failed; ++i) {
        const az_lanes *lanes = &t->interpreted.lanes[i];
        for (int64_t l = 0; l < lanes->batch->lanes; ++l)
            if (lanes->batch->active >> l & 1)
                steps += az_machine_trained(lanes->machine, l);
    }
    t->count[AZ_COUNT_STEPS] += steps;
    t->steps_run += steps;
}

/* Doubles of one block's predictions. */
static int64_t block_room(const az_trial *t, const az_lanes *lanes)
{
    return az_stages_heard(t) * az_prediction_width(t) * lanes->batch->lanes;
}

/* Trains until so many examples were served; their predictions are in `heard`. */
static void train(az_trial *t, int64_t until)
{
    double *to = t->heard;
    for (int i = 0; i < t->first && !t->failed; ++i) {
        const az_lanes *lanes = &t->interpreted.lanes[i];
        const int64_t served = az_machine_done(lanes->machine);
        az_machine_hear(lanes->machine, to, 0);
        if (served < until)
            az_machine_run(lanes->machine, until - served);
        to += block_room(t, lanes);
    }
}

void az_stages_begin(az_trial *t)
{
    begin(t, 0, t->first);
    az_trial_time(t, AZ_STAGE_PREPARE);
}

int az_stages_fingerprint(az_trial *t, uint64_t *fingerprint)
{
    const int64_t rows = t->fec_train * az_prediction_width(t);
    const double *heard = t->heard;
    double *at = t->digest;
    int alive = 0;
    train(t, t->fec_train);
    for (int i = 0; i < t->first && !t->failed; ++i) {
        const az_lanes *lanes = &t->interpreted.lanes[i];
        const int64_t L = lanes->batch->lanes;
        memcpy(at, heard, (size_t)(rows * L) * sizeof *at);
        for (int64_t l = 0; l < L; ++l) {
            const int died = az_machine_died(lanes->machine, l);
            alive |= !died;
            /* Lanes without a task repeat one. What a task did not come to see is all alike. */
            int64_t k = (az_machine_trained(lanes->machine, l) - 1) * az_prediction_width(t);
            for (; died && k < rows; ++k)
                at[k * L + l] = NAN;
        }
        lanes->kernels->round_off(at, rows * L, t->rounding);
        at += rows * L;
        heard += block_room(t, lanes);
    }
    size_t bytes = (size_t)(at - t->digest) * sizeof *at;
    for (; bytes < AZ_HASH_LEAST; bytes += sizeof *at)
        *at++ = 0.0;
    *fingerprint = az_hash_of(t->digest, bytes).low;
    az_trial_time(t, AZ_STAGE_FINGERPRINT);
    return alive;
}

/* 1 - (2 / pi) atan(RMSE) of one lane's predictions, or the share of right ones. */
static double score_of(const az_trial *t, const az_batch *batch, const double *p, int64_t until)
{
    const int64_t L = batch->lanes, C = t->classes, from = until / 2;
    double sum = 0.0;
    p += from * az_prediction_width(t) * L;
    for (int64_t e = from; e < until; ++e, p += az_prediction_width(t) * L) {
        const double y = batch->y_train[e * L];
        if (C > 2) {
            int64_t best = 0;
            for (int64_t c = 1; c < C; ++c)
                best = p[c * L] > p[best * L] ? c : best;
            sum += (double)best == y;
        } else if (C) {
            sum += (*p > 0.5) == (y > 0.5);
        } else {
            sum += (y - *p) * (y - *p);
        }
    }
    sum /= (double)(until - from);
    if (C)
        return sum;
    return sum < INFINITY ? 1.0 - 0.63661977236758134308 * az_atan(sqrt(sum)) : 0.0;
}

/* The mean over the first tasks of what they scored by the predictions in `heard`. */
static double score(const az_trial *t, int64_t until, int untaught)
{
    const double *at = t->heard;
    double sum = 0.0;
    int64_t tasks = 0;
    for (int i = 0; i < t->first && !t->failed; ++i) {
        const az_lanes *lanes = &t->interpreted.lanes[i];
        for (int64_t l = 0; l < lanes->batch->lanes; ++l) {
            if (!(lanes->batch->active >> l & 1))
                continue;
            az_batch one = *lanes->batch;
            one.y_train += l;
            ++tasks;
            if (untaught || !az_machine_died(lanes->machine, l))
                sum += score_of(t, &one, at + l, until);
        }
        at += block_room(t, lanes);
    }
    return sum / (double)tasks;
}

double az_stages_hurdle(az_trial *t, int hurdle)
{
    train(t, t->hurdle_at[hurdle]);
    const double value = score(t, t->hurdle_at[hurdle], 0);
    az_trial_time(t, AZ_STAGE_EVALUATE);
    return value;
}

/* Examples that show what a prediction is like. */
enum { PROBES = 8 };

/* Of one lane: `f`, `g`, `zero` are its predictions of x, -x and 0. NaN and infinity are as far from
 * linear as can be. */
static double nonlinearity(
    const double *f, const double *g, const double *zero, int64_t count, int64_t lanes)
{
    double even = 0.0, odd = 0.0;
    for (int64_t k = 0; k < count; ++k) {
        const int64_t at = k * lanes;
        even += fabs(f[at] + g[at] - 2.0 * zero[at]);
        odd += fabs(f[at] - g[at]);
    }
    const double share = even > 0.0 ? even / (even + odd) : 0.0;
    return even + odd < INFINITY ? share : 1.0;
}

double az_stages_nonlinearity(az_trial *t)
{
    const int64_t examples = t->train < PROBES ? t->train : PROBES;
    double sum = 0.0;
    int64_t tasks = 0;
    for (int i = 0; i < t->first && !t->failed; ++i) {
        const az_lanes *lanes = &t->interpreted.lanes[i];
        const az_batch *batch = lanes->batch;
        const int64_t row = batch->features * batch->lanes, L = batch->lanes;
        const int64_t width = az_prediction_width(t), kept = az_machine_doubles(lanes->machine);
        const int64_t predictions = examples * width * L, inputs = examples * row;
        const size_t bytes = (size_t)(kept + inputs + 3 * predictions) * sizeof(double);
        if (!az_reserve(&t->probe, &t->probe_bytes, bytes)) {
            t->failed = 1;
            break;
        }
        double *memory = t->probe, *x = memory + kept, *f = x + inputs, *g = f + predictions;
        const uint64_t step = (uint64_t)az_machine_done(lanes->machine) + 1;
        az_machine_keep(lanes->machine, memory);
        az_machine_predict(lanes->machine, batch->x_train, examples, step, f);
        for (int64_t k = 0; k < inputs; ++k)
            x[k] = -batch->x_train[k];
        az_machine_predict(lanes->machine, x, examples, step, g);
        memset(x, 0, (size_t)inputs * sizeof *x);
        az_machine_predict(lanes->machine, x, examples, step, g + predictions);
        az_machine_go_back(lanes->machine, memory);
        for (int64_t l = 0; l < L; ++l)
            if (batch->active >> l & 1 && !az_machine_died(lanes->machine, l)) {
                sum += nonlinearity(f + l, g + l, g + predictions + l, examples * width, L);
                ++tasks;
            }
    }
    az_trial_time(t, AZ_STAGE_EVALUATE);
    return tasks ? sum / (double)tasks : 1.0;
}

double az_stages_untaught(az_trial *t, int hurdle)
{
    memset(t->heard, 0, az_stages_room(t) * sizeof *t->heard);
    return score(t, t->hurdle_at[hurdle], 1);
}

double az_stages_finish(az_trial *t)
{
    const double value = finish(t, 0, t->first, t->tasks - t->confirm);
    az_trial_time(t, AZ_STAGE_EVALUATE);
    return value;
}

void az_stages_end(az_trial *t)
{
    count(t, 0, t->first);
}

double az_stages_confirm(az_trial *t, double first)
{
    if (t->first == t->interpreted.count)
        return first;
    begin(t, t->first, t->interpreted.count);
    const double value = finish(t, t->first, t->interpreted.count, t->tasks);
    count(t, t->first, t->interpreted.count);
    az_trial_time(t, AZ_STAGE_CONFIRM);
    return value;
}
