/* Deciding candidates. */
#include "trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void az_trial_time(az_trial *t, int stage)
{
    if (!t->timed)
        return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t at = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
    t->stage[stage] += t->mark ? at - t->mark : 0;
    t->mark = at;
}

/* ---- memory -------------------------------------------------------------------------------- */

static int make_machines(az_layout *layout)
{
    for (int i = 0; i < layout->count; ++i) {
        az_lanes *lanes = &layout->lanes[i];
        lanes->machine = az_machine_new();
        if (!lanes->machine)
            return 0;
    }
    return 1;
}

static void free_lanes(az_layout *layout)
{
    for (int i = 0; i < layout->count; ++i)
        az_machine_free(layout->lanes[i].machine);
    free(layout->lanes);
}

/* Numbers that are sorted at once. */
static size_t most_sorted(const az_trial *t)
{
    return (size_t)(t->tasks > t->window ? t->tasks : t->window);
}

int32_t az_trial_width(const az_trial *t)
{
    return t->per_task ? (int32_t)t->tasks : 0;
}

/* Numbers beside what level 1 remembers: rows of AZ_WHOLE and, with a hurdle, of AZ_PREFIX. */
static int32_t remembered_width(const az_trial *t)
{
    return az_trial_width(t) * (t->hurdle_train ? 2 : 1);
}

static size_t row_bytes(const az_trial *t)
{
    return (size_t)az_trial_width(t) * sizeof *t->row;
}

int64_t az_stages_heard(const az_trial *t)
{
    int64_t examples = t->fec_train;
    for (int i = 0; i < t->hurdles; ++i)
        examples = t->hurdle_at[i] > examples ? t->hurdle_at[i] : examples;
    return t->staged ? examples : 0;
}

size_t az_stages_room(const az_trial *t)
{
    int64_t lanes = 0;
    for (int i = 0; i < t->interpreted.count; ++i)
        lanes += t->interpreted.lanes[i].batch->lanes;
    return (size_t)(lanes * az_stages_heard(t) * az_prediction_width(t));
}

/* How many blocks hold all but the tasks that only confirm. */
static int first_blocks(const az_trial *t)
{
    int blocks = 0;
    while (blocks < t->interpreted.count &&
           t->interpreted.lanes[blocks].task[0] < t->tasks - t->confirm)
        ++blocks;
    return blocks;
}

size_t az_trial_bytes(const az_trial *t, const az_space *space)
{
    return (t->level1 ? az_scores_bytes(t->cache_size, remembered_width(t)) : 0) +
           (t->level2 ? az_scores_bytes(t->cache_size, az_trial_width(t)) : 0) +
           AZ_ROWS * row_bytes(t) + az_heat_bytes(t->hot ? space->capacity : 0) +
           ((size_t)t->window + (size_t)t->tasks + most_sorted(t)) * sizeof(double);
}

int az_trial_finish(az_trial *t, const az_space *space)
{
    const size_t per_task = (size_t)((t->fec_train + t->fec_valid) * az_prediction_width(t));
    size_t lanes = 0;
    for (int i = 0; i < t->interpreted.count; ++i)
        lanes += (size_t)t->interpreted.lanes[i].batch->lanes;
    const size_t digest = lanes * per_task + AZ_HASH_LEAST / 8 + 1;
    t->map = az_space_map(space);
    t->threshold = -INFINITY;
    t->settings = (az_settings){
        .epochs = t->epochs, .max_abs_error = t->max_abs_error, .seed = t->evaluation_seed};
    t->recent = malloc((size_t)t->window * sizeof *t->recent + 1);
    t->fitness = malloc((size_t)t->tasks * sizeof *t->fitness);
    t->row = calloc(AZ_ROWS * row_bytes(t) + 1, 1);
    t->sorted = malloc(most_sorted(t) * sizeof *t->sorted);
    t->digest = calloc(digest, sizeof *t->digest);
    t->first = first_blocks(t);
    t->heard = malloc(az_stages_room(t) * sizeof *t->heard + 1);
    t->constants = malloc((size_t)space->capacity * 3 * AZ_MAX_LANES * sizeof *t->constants + 1);
    t->places = malloc((size_t)space->capacity * sizeof *t->places + 1);
    if (!t->recent || !t->fitness || !t->row || !t->sorted || !t->digest || !t->heard ||
        !t->constants || !t->places)
        return 0;
    if ((t->level1 && !az_scores_new(&t->level[0], t->cache_size, remembered_width(t))) ||
        (t->level2 && !az_scores_new(&t->level[1], t->cache_size, az_trial_width(t))))
        return 0;
    return az_canonical_new(&t->canonical, space->capacity, t->map.count) &&
           az_heat_new(&t->heat, t->hot ? space->capacity : 0) && make_machines(&t->interpreted) &&
           make_machines(&t->compiled);
}

void az_trial_free(az_trial *t)
{
    free_lanes(&t->interpreted);
    free_lanes(&t->compiled);
    az_canonical_free(&t->canonical);
    az_scores_free(&t->level[0]);
    az_scores_free(&t->level[1]);
    az_heat_free(&t->heat);
    free(t->recent);
    free(t->fitness);
    free(t->row);
    free(t->sorted);
    free(t->digest);
    free(t->heard);
    free(t->constants);
    free(t->places);
    free(t->probe);
}

/* ---- before it is run ---------------------------------------------------------------------- */

double az_trial_cost(const az_trial *t, const az_program *program)
{
    double cost[3] = {0.0, 0.0, 0.0};
    for (int f = 0; f < 3; ++f)
        for (int64_t i = 0; i < program->count[f]; ++i)
            cost[f] += t->op_cost[program->body[f][i].op];
    return cost[AZ_SETUP] + (double)t->train * (cost[AZ_PREDICT] + cost[AZ_LEARN]);
}

az_hash az_trial_analyse(az_trial *t, const az_space *space, const az_candidate *c)
{
    const az_program program = az_program_of(space, c);
    az_canonical_make(&t->canonical, &program, &t->map, t->classes);
    t->prepared = 0;
    return az_canonical_hash(&t->canonical);
}

int az_trial_depends(az_trial *t)
{
    return az_canonical_depends(&t->canonical, &t->map, t->classes);
}

/* ---- running ------------------------------------------------------------------------------- */

void az_trial_prepare(az_trial *t, const az_lanes *lanes)
{
    const az_work work = {
        .program = &t->canonical.program,
        .known = &t->canonical.known,
        .batch = lanes->batch,
        .settings = &t->settings};
    t->failed |= az_machine_prepare(lanes->machine, lanes->kernels, &work) != AZ_READY;
}

/* Prepares the interpreter's machines for the candidate. */
static void prepare(az_trial *t)
{
    if (t->prepared)
        return;
    for (int i = 0; i < t->interpreted.count && !t->failed; ++i)
        az_trial_prepare(t, &t->interpreted.lanes[i]);
    t->prepared = 1;
    az_trial_time(t, AZ_STAGE_PREPARE);
}

static void finish(az_machine *machine)
{
    while (!az_machine_run(machine, INT64_C(1) << 40))
        continue;
}

/* Adds up the training steps of the active lanes, and takes their fitness. */
static int64_t gather(az_trial *t, const az_lanes *lanes)
{
    int64_t steps = 0;
    const double *fitness = az_machine_fitness(lanes->machine);
    for (int64_t l = 0; l < lanes->batch->lanes; ++l)
        if (lanes->batch->active >> l & 1) {
            steps += az_machine_trained(lanes->machine, l);
            t->fitness[lanes->task[l]] = fitness[l];
        }
    return steps;
}

static int64_t run_interpreted(az_trial *t, const az_part *part)
{
    int64_t steps = 0;
    prepare(t);
    for (int i = 0; i < t->interpreted.count && !t->failed; ++i) {
        const az_lanes *lanes = &t->interpreted.lanes[i];
        az_machine_begin(lanes->machine, part);
        finish(lanes->machine);
        steps += gather(t, lanes);
    }
    return steps;
}

/* A compiled function's arguments: constants for every lane of every chunk, and places. */
static void set_arguments(az_trial *t, const az_native *native, const az_lanes *lanes)
{
    const int64_t F = native->features, chunks = lanes->batch->lanes / lanes->chunk;
    int64_t constants = 0, places = 0;
    for (int f = 0; f < 3; ++f)
        for (int64_t i = 0; i < t->canonical.program.count[f]; ++i) {
            const az_instruction *in = &t->canonical.program.body[f][i];
            const az_op_info *op = &az_ops[in->op];
            if (op->entry)
                t->places[places++] = az_entry_place(in, F);
            for (int c = az_index_count(op); c < op->constants; ++c, ++constants)
                for (int64_t q = 0; q < chunks; ++q)
                    for (int64_t l = 0; l < lanes->chunk; ++l)
                        t->constants[(q * native->constants + constants) * lanes->chunk + l] =
                            in->constant[c];
        }
}

static int64_t run_compiled(az_trial *t, const az_structure *structure)
{
    int64_t steps = 0;
    for (int i = 0; i < t->compiled.count && !t->failed; ++i) {
        az_lanes *lanes = &t->compiled.lanes[i];
        set_arguments(t, structure->native[i], lanes);
        const az_work work = {
            .program = &t->canonical.program,
            .known = &t->canonical.known,
            .batch = lanes->batch,
            .settings = &t->settings,
            .native = structure->native[i],
            .native_kernels = t->chunk_kernels,
            .constants = t->constants,
            .places = t->places};
        t->failed |= az_machine_prepare(lanes->machine, lanes->kernels, &work) != AZ_READY;
        if (t->failed)
            break;
        az_machine_begin(
            lanes->machine,
            &(az_part){.train = t->train, .valid = t->valid, .epochs = t->settings.epochs});
        finish(lanes->machine);
        steps += gather(t, lanes);
    }
    t->steps_native += steps;
    return steps;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The upper one of an even number, as in the reference. */
double az_trial_median(az_trial *t, int64_t count)
{
    memcpy(t->sorted, t->fitness, (size_t)count * sizeof *t->sorted);
    qsort(t->sorted, (size_t)count, sizeof *t->sorted, ascending);
    return t->sorted[count / 2];
}

/* The mean over tasks, or their median. */
static double over_tasks(az_trial *t)
{
    if (t->median)
        return az_trial_median(t, t->tasks);
    double sum = 0.0;
    for (int64_t i = 0; i < t->tasks; ++i)
        sum += t->fitness[i];
    return sum / (double)t->tasks;
}

static double *row(const az_trial *t, int which)
{
    return t->row + (ptrdiff_t)which * az_trial_width(t);
}

/* Copies a row, if rows are kept; without `from` it becomes 0. */
static void put_row(const az_trial *t, double *to, const double *from)
{
    if (!t->per_task)
        return;
    if (from)
        memcpy(to, from, row_bytes(t));
    else
        memset(to, 0, row_bytes(t));
}

/* ---- what may be known from before ---------------------------------------------------- */

/* What is hashed lies as the machines leave it, block by block. Lanes without a task repeat one, so
 * nothing is lost. */
static void find_fingerprint(az_trial *t, az_score *own)
{
    const int64_t examples = t->fec_train + t->fec_valid;
    int alive = 0;
    int64_t steps = 0;
    double *digest = t->digest;
    prepare(t);
    for (int i = 0; i < t->interpreted.count && !t->failed; ++i) {
        const az_lanes *lanes = &t->interpreted.lanes[i];
        const int64_t L = lanes->batch->lanes, count = examples * az_prediction_width(t) * L;
        az_machine_begin(
            lanes->machine,
            &(az_part){.train = t->fec_train, .valid = t->fec_valid, .epochs = 1, .seen = digest});
        finish(lanes->machine);
        for (int64_t l = 0; l < L; ++l)
            if (lanes->batch->active >> l & 1) {
                steps += az_machine_trained(lanes->machine, l);
                alive |= !az_machine_died(lanes->machine, l);
            }
        lanes->kernels->round_off(digest, count, t->rounding);
        digest += count;
    }
    size_t bytes = (size_t)(digest - t->digest) * sizeof *digest;
    bytes = bytes < AZ_HASH_LEAST ? AZ_HASH_LEAST : bytes; /* zeros beyond, ever since */
    own->fingerprint = az_hash_of(t->digest, bytes).low;
    own->fingerprint_steps = (uint32_t)steps;
    own->known |= AZ_HAS_FINGERPRINT | (alive ? 0 : AZ_HOPELESS);
    t->steps_run += steps;
    az_trial_time(t, AZ_STAGE_FINGERPRINT);
}

static void find_prefix(az_trial *t, az_score *own)
{
    own->prefix_steps = (uint32_t)run_interpreted(
        t, &(az_part){.train = t->hurdle_train, .valid = t->hurdle_valid, .epochs = 1});
    own->prefix = over_tasks(t);
    put_row(t, row(t, AZ_PREFIX), t->fitness);
    own->known |= AZ_HAS_PREFIX;
    t->steps_run += own->prefix_steps;
    az_trial_time(t, AZ_STAGE_EVALUATE);
}

static void find_fitness(az_trial *t, az_score *own)
{
    az_structure *structure = NULL;
    if (t->hot) {
        structure = az_heat_of(&t->heat, az_structure_hash(&t->canonical), &t->canonical.program);
        ++structure->runs;
    }
    if (structure && structure->native)
        own->steps = run_compiled(t, structure);
    else
        own->steps = run_interpreted(
            t, &(az_part){.train = t->train, .valid = t->valid, .epochs = t->settings.epochs});
    if (structure)
        structure->steps += own->steps;
    own->fitness = over_tasks(t);
    put_row(t, row(t, AZ_WHOLE), t->fitness);
    own->known |= AZ_HAS_FITNESS;
    t->steps_run += own->steps;
    az_trial_time(t, AZ_STAGE_EVALUATE);
}

/* ---- deciding ------------------------------------------------------------------------------ */

/* Whether a prefix score is among the better ones of late; it counts as one from now on. The
 * threshold is taken anew whenever a tenth of the window is. */
static int passes(az_trial *t, double prefix)
{
    const int result = prefix >= t->threshold;
    t->recent[t->recents++ % t->window] = prefix;
    const int32_t every = t->window >= 10 ? t->window / 10 : 1;
    if (t->recents % every == 0) {
        const int64_t count = t->recents < t->window ? t->recents : t->window;
        memcpy(t->sorted, t->recent, (size_t)count * sizeof *t->sorted);
        qsort(t->sorted, (size_t)count, sizeof *t->sorted, ascending);
        t->threshold = t->sorted[(int64_t)(t->quantile * (double)count)];
    }
    return result;
}

/* The fitness of a program that level 2 does not know; *how becomes AZ_COUNT_HURDLED where it was
 * stopped at the hurdle. */
static double evaluate(az_trial *t, az_score *own, int *how)
{
    if (t->hurdle_train) {
        if (!(own->known & AZ_HAS_PREFIX))
            find_prefix(t, own);
        t->count[AZ_COUNT_STEPS] += own->prefix_steps;
        if (!passes(t, own->prefix)) {
            *how = AZ_COUNT_HURDLED;
            t->hurdled = 1;
            put_row(t, row(t, AZ_DECIDED), row(t, AZ_PREFIX));
            return own->prefix;
        }
    }
    if (!(own->known & AZ_HAS_FITNESS))
        find_fitness(t, own);
    t->count[AZ_COUNT_STEPS] += own->steps;
    put_row(t, row(t, AZ_DECIDED), row(t, AZ_WHOLE));
    return own->fitness;
}

static double by_fingerprint(az_trial *t, az_score *own, int *how)
{
    if (!(own->known & AZ_HAS_FINGERPRINT))
        find_fingerprint(t, own);
    t->count[AZ_COUNT_STEPS] += own->fingerprint_steps;
    if (own->known & AZ_HOPELESS) /* every task stops in training, so the fitness is 0 */
        return 0.0;
    const az_hash key = {own->fingerprint, 0};
    az_score *alike = az_scores_find(&t->level[1], key);
    if (alike) {
        *how = AZ_COUNT_LEVEL2;
        const double fitness = alike->fitness;
        put_row(t, row(t, AZ_DECIDED), az_scores_beside(&t->level[1], alike));
        if (++alike->hits >= t->forget)
            az_scores_drop(&t->level[1], key);
        return fitness;
    }
    const double fitness = evaluate(t, own, how);
    if (*how != AZ_COUNT_HURDLED) {
        alike = az_scores_add(&t->level[1], key);
        alike->fitness = fitness;
        put_row(t, az_scores_beside(&t->level[1], alike), row(t, AZ_DECIDED));
    }
    return fitness;
}

static void recall_rows(az_trial *t, const az_score *remembered)
{
    const double *kept = az_scores_beside(&t->level[0], remembered);
    put_row(t, row(t, AZ_WHOLE), kept);
    if (t->hurdle_train)
        put_row(t, row(t, AZ_PREFIX), kept + az_trial_width(t));
}

static void remember_rows(az_trial *t, const az_score *remembered)
{
    double *kept = az_scores_beside(&t->level[0], remembered);
    put_row(t, kept, row(t, AZ_WHOLE));
    if (t->hurdle_train)
        put_row(t, kept + az_trial_width(t), row(t, AZ_PREFIX));
}

double az_trial_decide(az_trial *t, az_hash hash, double cost)
{
    t->hurdled = 0;
    put_row(t, row(t, AZ_DECIDED), NULL);
    if (t->most_cost > 0.0 && cost > t->most_cost) {
        ++t->count[AZ_COUNT_OVER_BUDGET];
        return 0.0;
    }
    az_score own = {0}, *remembered = t->level1 ? az_scores_find(&t->level[0], hash) : NULL;
    if (remembered) {
        own = *remembered;
        recall_rows(t, remembered);
    }
    const uint32_t known = own.known;
    az_trial_time(t, AZ_STAGE_LOOK_UP);
    int how = AZ_COUNT_EVALUATED;
    const double fitness = t->level2 ? by_fingerprint(t, &own, &how) : evaluate(t, &own, &how);
    if (t->level1) {
        if (own.known == known)
            how = AZ_COUNT_LEVEL1; /* nothing had to be run */
        else {
            if (!remembered)
                remembered = az_scores_add(&t->level[0], hash);
            *remembered = own;
            remember_rows(t, remembered);
        }
    }
    ++t->count[how];
    az_trial_time(t, AZ_STAGE_LOOK_UP);
    return fitness;
}
