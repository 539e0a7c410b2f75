/* Islands: their memory, breeding, and the course of a population. */
#include "filter.h"
#include "island.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How often the filter, or a twin, makes a candidate be drawn again; then the last is taken. */
#define DRAWS_AT_START 200000
#define DRAWS 100

/* ---- memory -------------------------------------------------------------------------------- */

static const az_method_info *info_of(const az_island *s)
{
    return &az_methods[s->method.method];
}

static int32_t brood_of(const az_island *s)
{
    const az_method_info *info = info_of(s);
    return info->brood ? info->brood(&s->method) : 1;
}

/* The population, what is bred, the best, and the champion. */
static size_t all_members(const az_island *s)
{
    return (size_t)s->method.population + (size_t)brood_of(s) + 2;
}

static size_t scratch_bytes(const az_island *s)
{
    const az_method_info *info = info_of(s);
    return info->scratch ? info->scratch(&s->method) : 0;
}

size_t az_island_bytes(const az_island *s)
{
    const size_t program = (size_t)s->space.capacity * sizeof *s->code;
    const size_t beside = (size_t)az_trial_width(&s->trial) * sizeof *s->beside;
    const az_method_info *info = info_of(s);
    return all_members(s) * (sizeof *s->member + program + beside) + scratch_bytes(s) +
           (info->bytes ? info->bytes(&s->method) : 0) + az_trial_bytes(&s->trial, &s->space);
}

int az_island_finish(az_island *s)
{
    const size_t count = all_members(s), capacity = (size_t)s->space.capacity;
    s->method.key = az_key(s->method.seed, s->method.island);
    s->brood = brood_of(s);
    s->lineage.capacity = s->space.capacity;
    s->trial.count = s->count;
    s->trial.staged = info_of(s)->staged;
    s->member = calloc(count, sizeof *s->member);
    s->code = calloc(count * capacity + 1, sizeof *s->code);
    s->width = az_trial_width(&s->trial);
    s->beside = calloc(count * (size_t)s->width + 1, sizeof *s->beside);
    s->scratch = malloc(scratch_bytes(s) + 1);
    if (!s->member || !s->code || !s->beside || !s->scratch ||
        !az_trial_finish(&s->trial, &s->space))
        return 0;
    for (size_t i = 0; i < count; ++i) {
        s->member[i].program.code = s->code + i * capacity;
        s->member[i].ancestor = -1;
    }
    s->best.program.code = s->code + (count - 2) * capacity;
    s->champion.program.code = s->code + (count - 1) * capacity;
    s->best.ancestor = s->champion.ancestor = -1;
    s->best.fitness = s->champion.fitness = -1.0;
    if (info_of(s)->begin && !info_of(s)->begin(s))
        return 0;
    az_island_restart(s);
    return 1;
}

void az_island_free(az_island *s)
{
    if (info_of(s)->end)
        info_of(s)->end(s);
    az_trial_free(&s->trial);
    az_lineage_free(&s->lineage);
    free(s->member);
    free(s->code);
    free(s->beside);
    free(s->scratch);
    free(s->method.start);
}

void az_forget(az_island *s, az_member *m)
{
    az_lineage_release(&s->lineage, m->ancestor);
    m->ancestor = -1;
}

double *az_beside(const az_island *s, const az_member *m)
{
    const ptrdiff_t best = (ptrdiff_t)s->method.population + s->brood;
    const ptrdiff_t number = m == &s->best ? best : m == &s->champion ? best + 1 : m - s->member;
    return s->beside + number * s->width;
}

void az_assign(az_island *s, az_member *to, const az_member *from)
{
    az_lineage_hold(&s->lineage, from->ancestor);
    az_forget(s, to);
    az_instruction *code = to->program.code;
    *to = *from;
    to->program.code = code;
    az_copy_candidate(&s->space, &to->program, &from->program);
    memcpy(az_beside(s, to), az_beside(s, from), (size_t)s->width * sizeof *s->beside);
}

int az_start_origin(const az_island *s)
{
    const az_method *m = &s->method;
    if (m->from_best && s->count[AZ_COUNT_RUN] % m->from_best == 0 && s->champion.fitness >= 0.0)
        return AZ_FROM_BEST;
    if (m->starts)
        return AZ_FROM_SEED;
    return m->empty ? AZ_FROM_START : AZ_FROM_RANDOM;
}

int32_t az_lineage_before(const az_island *s, const az_member *parent, int origin)
{
    const az_member *before = origin == AZ_FROM_BEST ? &s->champion : parent;
    return before ? before->ancestor : -1;
}

void az_island_restart(az_island *s)
{
    if (s->method.from_best && s->best.fitness > s->champion.fitness)
        az_assign(s, &s->champion, &s->best);
    for (int32_t i = 0; i < s->members; ++i)
        az_forget(s, &s->member[i]);
    for (int32_t i = 0; i < s->bred; ++i)
        az_forget(s, &s->member[s->method.population + i]);
    az_forget(s, &s->best);
    s->members = s->oldest = s->bred = 0;
    s->best.fitness = s->told = s->improved_to = -1.0;
    if (info_of(s)->restart)
        info_of(s)->restart(s);
    ++s->count[AZ_COUNT_RUN];
    s->run_born = s->improved = s->count[AZ_COUNT_PROGRAMS];
    s->run_steps = s->count[AZ_COUNT_STEPS];
}

/* ---- breeding ------------------------------------------------------------------------------ */

static void first_program(az_island *s, az_draws *d, int origin, az_candidate *to)
{
    const az_method *m = &s->method;
    if (origin == AZ_FROM_BEST) {
        az_copy_candidate(&s->space, to, &s->champion.program);
    } else if (origin == AZ_FROM_SEED) {
        const uint64_t number = (uint64_t)(s->count[AZ_COUNT_PROGRAMS] - s->run_born);
        az_copy_candidate(&s->space, to, &m->start[number % (uint64_t)m->starts]);
    } else if (origin == AZ_FROM_START) {
        az_empty_program(&s->space, to);
    } else {
        az_random_program(&s->space, d, to);
    }
}

static int equals(az_hash hash, const az_member *m)
{
    return m->hash.low == hash.low && m->hash.high == hash.high;
}

static int is_twin(az_hash hash, const az_family *family)
{
    if (!family)
        return 0;
    if (equals(hash, family->parent[0]) || equals(hash, family->parent[1]))
        return 1;
    for (int32_t i = 0; i < family->children; ++i)
        if (equals(hash, &family->child[i]))
            return 1;
    return 0;
}

static const az_candidate *other_program(const void *island, int32_t number)
{
    return &((const az_island *)island)->member[number].program;
}

az_context az_context_of(az_island *s)
{
    return (az_context){
        .other = other_program,
        .of = s,
        .others = s->members,
        .canonical = &s->trial.canonical,
        .map = &s->trial.map,
        .classes = s->trial.classes};
}

int az_passes_filter(az_island *s)
{
    if (s->method.filter == AZ_FILTER_STRICT)
        return az_lacks(&s->space, &s->trial.canonical.program) == AZ_LACKS_NOTHING;
    return !s->method.filter || az_trial_depends(&s->trial);
}

/* A new best program; improvements of less than `gain` are none, as far as patience goes. */
void az_note_best(az_island *s, const az_member *m)
{
    if (m->fitness > s->improved_to + s->method.gain) {
        s->improved_to = m->fitness;
        s->improved = s->count[AZ_COUNT_PROGRAMS];
    }
    az_assign(s, &s->best, m);
}

/* The fitness of a program that has been analysed, counted as one more; returns what it has proven:
 * a score on the first examples may be high by luck. */
static double score(az_island *s, az_member *m)
{
    az_trial *t = &s->trial;
    const az_program program = az_program_of(&s->space, &m->program);
    const double cost = t->most_cost > 0.0 ? az_trial_cost(t, &program) : 0.0;
    m->fitness = az_trial_decide(t, m->hash, cost);
    memcpy(az_beside(s, m), t->row, (size_t)s->width * sizeof *s->beside);
    ++s->count[AZ_COUNT_PROGRAMS];
    return t->hurdled ? -1.0 : m->fitness;
}

/* Decides a candidate that has been analysed, with all that it changes of the island. */
static void decide(az_island *s, const az_member *parent, int origin, az_member *to)
{
    az_trial *t = &s->trial;
    to->birth = s->count[AZ_COUNT_PROGRAMS];
    const double proven = score(s, to);
    az_forget(s, to);
    to->ancestor = az_lineage_extend(
        &s->lineage, &s->space, az_lineage_before(s, parent, origin), &to->program, proven,
        to->birth, origin);
    if (to->ancestor < -1) {
        to->ancestor = -1;
        t->failed = 1;
    }
    if (proven > s->best.fitness)
        az_note_best(s, to);
    az_trial_time(t, AZ_STAGE_REPLACE);
}

void az_breed(
    az_island *s, az_draws *d, const az_member *parent, const az_family *family, az_member *to)
{
    az_trial *t = &s->trial;
    const az_context context = az_context_of(s);
    const int mutates = parent && az_uniform(d) < s->method.mutate_prob;
    int origin = parent ? AZ_IDENTITY : az_start_origin(s);
    const int drawn = mutates || origin == AZ_FROM_RANDOM;
    /* What the filter would stop has no children that it must not. */
    const int filters = s->method.filter && (!parent || parent->depends);
    for (int left = parent ? DRAWS : DRAWS_AT_START;; --left) {
        if (parent)
            az_copy_candidate(&s->space, &to->program, &parent->program);
        else
            first_program(s, d, origin, &to->program);
        if (mutates)
            origin = az_mutate(&s->space, d, &context, &to->program);
        if (drawn && s->method.drop_dead)
            az_drop_dead(&s->space, &to->program);
        az_trial_time(t, AZ_STAGE_DRAW);
        to->hash = az_trial_analyse(t, &s->space, &to->program);
        to->depends = az_passes_filter(s);
        az_trial_time(t, AZ_STAGE_ANALYSE);
        if (!drawn || left <= 1)
            break;
        if ((!filters || to->depends) && !is_twin(to->hash, family))
            break;
        ++s->count[AZ_COUNT_FILTERED];
    }
    decide(s, parent, origin, to);
}

double az_island_evaluate(az_island *s, const az_candidate *program)
{
    az_member *m = &s->member[s->method.population];
    az_copy_candidate(&s->space, &m->program, program);
    m->hash = az_trial_analyse(&s->trial, &s->space, &m->program);
    m->depends = 0;
    decide(s, NULL, AZ_FROM_SEED, m);
    az_forget(s, m);
    return s->trial.failed ? -1.0 : m->fitness;
}

/* ---- the course ---------------------------------------------------------------------------- */

static void fill(az_island *s)
{
    az_draws d = az_draws_of(s->method.key, (uint64_t)s->count[AZ_COUNT_PROGRAMS], AZ_STREAM_CHILD);
    az_breed(s, &d, NULL, NULL, &s->member[s->members++]);
}

/* Grows from population to population. */
static int64_t patience_of(const az_island *s)
{
    double patience = (double)s->method.patience;
    for (int64_t run = 1; run < s->count[AZ_COUNT_RUN] && patience < 0x1p62; ++run)
        patience *= s->method.growth;
    return (int64_t)patience;
}

static int has_ended(const az_island *s)
{
    const az_method *m = &s->method;
    const int64_t born = s->count[AZ_COUNT_PROGRAMS];
    return (m->most_programs && born - s->run_born >= m->most_programs) ||
           (m->most_steps && s->count[AZ_COUNT_STEPS] - s->run_steps >= m->most_steps) ||
           (m->patience && born - s->improved >= patience_of(s)) ||
           (m->by && born - s->run_born >= m->by && s->best.fitness < m->by_fitness);
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Nothing but the clock may end a call within a family. */
int az_island_run(az_island *s, int64_t until, int64_t nanoseconds)
{
    const az_method_info *info = info_of(s);
    const int64_t deadline = now() + nanoseconds;
    while (s->bred || s->count[AZ_COUNT_PROGRAMS] < until) {
        if (!s->bred && has_ended(s))
            return AZ_STOPPED_AT_END;
        if (info->fills && s->members < s->method.population)
            fill(s);
        else
            info->step(s);
        if (s->trial.failed)
            return AZ_STOPPED_AT_FAILURE;
        if (!s->bred && s->best.fitness >= s->method.target && s->best.fitness > s->told) {
            s->told = s->best.fitness;
            return AZ_STOPPED_AT_TARGET;
        }
        if (now() >= deadline)
            return AZ_STOPPED_AT_TIME;
    }
    return AZ_STOPPED_AT_COUNT;
}

void az_island_receive(
    az_island *s, int32_t position, const az_candidate *program, double fitness, int64_t birth)
{
    const az_method_info *info = info_of(s);
    az_member *to = info->receive ? &s->member[s->method.population] : &s->member[position];
    az_copy_candidate(&s->space, &to->program, program);
    to->hash = az_trial_analyse(&s->trial, &s->space, &to->program);
    to->depends = az_passes_filter(s);
    to->fitness = fitness;
    for (int32_t i = 0; i < s->width; ++i)
        az_beside(s, to)[i] = NAN;
    to->birth = birth;
    az_forget(s, to);
    ++s->count[AZ_COUNT_RECEIVED];
    if (info->receive) {
        info->receive(s, to);
        return;
    }
    /* With hurdles it may have been stopped at one, which its fitness does not tell. */
    double proven = s->trial.hurdle_train ? -1.0 : fitness;
    if (isnan(fitness))
        proven = score(s, to);
    to->ancestor =
        az_lineage_extend(&s->lineage, &s->space, -1, &to->program, proven, birth, AZ_FROM_MIGRANT);
    if (proven > s->best.fitness)
        az_note_best(s, to);
}
