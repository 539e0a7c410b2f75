/* The methods of search. */
#include "island.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Streams of draws of one candidate. */
enum { STREAM_CHILD, STREAM_PARENTS };

/* How often the filter, or a duplicate, makes a candidate be drawn again; then the last is taken. */
#define TRIES_AT_START 200000
#define TRIES 100

/* ---- memory -------------------------------------------------------------------------------- */

int az_island_finish(az_island *s)
{
    const size_t count = (size_t)(s->method.population + s->method.children + 2);
    const size_t capacity = (size_t)s->space.capacity;
    s->lineage.capacity = s->space.capacity;
    s->member = calloc(count, sizeof *s->member);
    s->code = calloc(count * capacity + 1, sizeof *s->code);
    if (!s->member || !s->code || !az_trial_finish(&s->trial, &s->space))
        return 0;
    for (size_t i = 0; i < count; ++i) {
        s->member[i].program.code = s->code + i * capacity;
        s->member[i].ancestor = -1;
    }
    s->best.program.code = s->code + (count - 1) * capacity;
    s->best.ancestor = -1;
    az_island_restart(s);
    return 1;
}

void az_island_free(az_island *s)
{
    az_trial_free(&s->trial);
    az_lineage_free(&s->lineage);
    free(s->member);
    free(s->code);
    free(s->method.seed);
}

static void forget(az_island *s, az_member *m)
{
    az_lineage_release(&s->lineage, m->ancestor);
    m->ancestor = -1;
}

static void assign(az_island *s, az_member *to, const az_member *from)
{
    az_lineage_hold(&s->lineage, from->ancestor);
    forget(s, to);
    az_instruction *code = to->program.code;
    *to = *from;
    to->program.code = code;
    az_copy_candidate(&s->space, &to->program, &from->program);
}

void az_island_restart(az_island *s)
{
    for (int32_t i = 0; i < s->members; ++i)
        forget(s, &s->member[i]);
    forget(s, &s->best);
    s->members = s->oldest = 0;
    s->best.fitness = s->told = -1.0;
    ++s->run;
    s->run_born = s->improved = s->born;
    s->run_steps = s->trial.steps;
}

/* ---- birth --------------------------------------------------------------------------------- */

static int first_program(az_island *s, az_draws *d, az_candidate *to)
{
    const az_method *m = &s->method;
    if (m->seeds) {
        az_copy_candidate(&s->space, to, &m->seed[(s->born - s->run_born) % m->seeds]);
        return AZ_FROM_SEED;
    }
    if (m->empty) {
        az_empty_program(&s->space, to);
        return AZ_FROM_START;
    }
    az_random_program(&s->space, d, to);
    return AZ_FROM_RANDOM;
}

static int is_among(az_hash hash, const az_member *const *others, int count)
{
    for (int i = 0; i < count; ++i)
        if (others[i]->hash.low == hash.low && others[i]->hash.high == hash.high)
            return 1;
    return 0;
}

/* Draws a candidate into `to` and decides it: a mutant of `parent` (with probability
 * `mutate_prob`; else its copy), or without a parent what a population starts from. Drawn again
 * while it equals one of `others`, or the filter is on and stops it. */
static void bear(
    az_island *s,
    az_draws *d,
    const az_member *parent,
    const az_member *const *others,
    int count,
    double mutate_prob,
    az_member *to)
{
    az_trial *t = &s->trial;
    const int mutates = parent && az_uniform(d) < mutate_prob;
    const int drawn = mutates || (!parent && !s->method.empty && !s->method.seeds);
    /* What the filter would stop has no children that it must not. */
    const int filters = s->method.filter && (!parent || parent->depends);
    int origin = AZ_IDENTITY;
    for (int tries = parent ? TRIES : TRIES_AT_START;; --tries) {
        if (parent)
            az_copy_candidate(&s->space, &to->program, &parent->program);
        else
            origin = first_program(s, d, &to->program);
        if (mutates)
            origin = az_mutate(&s->space, d, &to->program);
        az_trial_time(t, AZ_STAGE_DRAW);
        to->hash = az_trial_analyse(t, &s->space, &to->program);
        to->depends = s->method.filter && az_trial_depends(t);
        az_trial_time(t, AZ_STAGE_ANALYSE);
        if (!drawn || tries <= 1)
            break;
        if ((!filters || to->depends) && !is_among(to->hash, others, count))
            break;
        ++s->filtered;
    }
    const az_program program = az_program_of(&s->space, &to->program);
    const double cost = t->most_cost > 0.0 ? az_trial_cost(t, &program) : 0.0;
    to->fitness = az_trial_decide(t, to->hash, cost);
    to->birth = s->born++;
    forget(s, to);
    /* A score on the first examples may be high by luck. */
    const double proven = t->hurdled ? -1.0 : to->fitness;
    to->ancestor = az_lineage_extend(
        &s->lineage, &s->space, parent ? parent->ancestor : -1, &to->program, proven, to->birth,
        origin);
    if (to->ancestor < -1) {
        to->ancestor = -1;
        t->failed = 1;
    }
    if (proven > s->best.fitness) {
        assign(s, &s->best, to);
        s->improved = s->born;
    }
    az_trial_time(t, AZ_STAGE_REPLACE);
}

/* ---- methods ------------------------------------------------------------------------------- */

/* Every program is independent; the best is kept. */
static void random_search(az_island *s)
{
    az_draws d = az_draws_of(s->method.key, (uint64_t)s->born, STREAM_CHILD);
    s->members = 1;
    bear(s, &d, NULL, NULL, 0, 0.0, &s->member[0]);
}

static void fill(az_island *s)
{
    az_draws d = az_draws_of(s->method.key, (uint64_t)s->born, STREAM_CHILD);
    bear(s, &d, NULL, NULL, 0, 0.0, &s->member[s->members++]);
}

/* The oldest goes; of T others, drawn with replacement, the best has a child. */
static void regularized_evolution(az_island *s)
{
    const int32_t P = s->members;
    az_draws d = az_draws_of(s->method.key, (uint64_t)s->born, STREAM_CHILD);
    const az_member *parent = NULL;
    for (int i = 0; i < s->method.tournament; ++i) {
        const int32_t younger = P > 1 ? 1 + az_below(&d, P - 1) : 0;
        const az_member *m = &s->member[(s->oldest + younger) % P];
        if (!parent || m->fitness > parent->fitness)
            parent = m;
    }
    az_member *child = &s->member[P];
    bear(s, &d, parent, NULL, 0, s->method.mutate_prob, child);
    assign(s, &s->member[s->oldest], child);
    forget(s, child);
    s->oldest = (s->oldest + 1) % P;
}

/* How many members have this very fitness. */
static int32_t alike(const az_island *s, double fitness)
{
    int32_t count = 0;
    for (int32_t i = 0; i < s->members; ++i)
        count += s->member[i].fitness == fitness;
    return count;
}

/* Minimal generation gap (Satoh, Yamamura, Kobayashi 1996): two parents go and have K children;
 * of this family the best comes back, and one that is drawn, fitter and rarer ones rather. */
static void minimal_generation_gap(az_island *s)
{
    const int K = s->method.children, P = s->members;
    az_draws d = az_draws_of(s->method.key, (uint64_t)s->born, STREAM_PARENTS);
    const az_member *family[K + 2];
    const int32_t first = az_below(&d, P), second = (first + 1 + az_below(&d, P - 1)) % P;
    family[0] = &s->member[first];
    family[1] = &s->member[second];
    for (int k = 0; k < K; ++k) {
        az_draws own = az_draws_of(s->method.key, (uint64_t)s->born, STREAM_CHILD);
        bear(s, &own, family[k & 1], family, k + 2, s->method.mutate_prob, &s->member[P + k]);
        family[k + 2] = &s->member[P + k];
    }
    int best = 0;
    for (int k = 1; k < K + 2; ++k)
        if (family[k]->fitness >= family[best]->fitness) /* rather a child than a parent */
            best = k;
    double weight[K + 2], total = 0.0;
    for (int k = 0; k < K + 2; ++k) {
        weight[k] = k == best ? 0.0 : family[k]->fitness / (1 + alike(s, family[k]->fitness));
        total += weight[k];
    }
    int other = best ? 0 : 1;
    double left = az_uniform(&d) * total;
    for (int k = 0; k < K + 2; ++k) {
        if (weight[k] > 0.0) {
            other = k;
            if ((left -= weight[k]) < 0.0)
                break;
        }
    }
    /* The two places are those of the two parents, who may be among the survivors. */
    const az_member *survivor[2] = {family[best], family[other]};
    if (survivor[0] == family[1] || survivor[1] == family[0]) {
        survivor[0] = family[other];
        survivor[1] = family[best];
    }
    for (int i = 0; i < 2; ++i)
        if (survivor[i] != family[i])
            assign(s, &s->member[i ? second : first], survivor[i]);
    for (int k = 0; k < K; ++k)
        forget(s, &s->member[P + k]);
    az_trial_time(&s->trial, AZ_STAGE_REPLACE);
}

static void step(az_island *s)
{
    if (s->method.method == AZ_RANDOM_SEARCH)
        random_search(s);
    else if (s->members < s->method.population)
        fill(s);
    else if (s->method.method == AZ_MGG)
        minimal_generation_gap(s);
    else
        regularized_evolution(s);
}

/* ---- the course ---------------------------------------------------------------------------- */

static int has_ended(const az_island *s)
{
    const az_method *m = &s->method;
    const int64_t born = s->born - s->run_born;
    return (m->most_programs && born >= m->most_programs) ||
           (m->most_steps && s->trial.steps - s->run_steps >= m->most_steps) ||
           (m->patience && s->born - s->improved >= m->patience) ||
           (m->by && born >= m->by && s->best.fitness < m->by_fitness);
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int az_island_run(az_island *s, int64_t until, int64_t nanoseconds)
{
    const int64_t deadline = now() + nanoseconds;
    while (s->born < until) {
        if (has_ended(s))
            return AZ_STOPPED_AT_END;
        step(s);
        if (s->trial.failed)
            return AZ_STOPPED_AT_FAILURE;
        if (s->best.fitness >= s->method.target && s->best.fitness > s->told) {
            s->told = s->best.fitness;
            return AZ_STOPPED_AT_TARGET;
        }
        if (now() >= deadline)
            return AZ_STOPPED_AT_TIME;
    }
    return AZ_STOPPED_AT_COUNT;
}

void az_island_receive(
    az_island *s, int32_t place, const az_candidate *program, double fitness, int64_t birth)
{
    az_member *to = &s->member[place];
    az_copy_candidate(&s->space, &to->program, program);
    to->hash = az_trial_analyse(&s->trial, &s->space, &to->program);
    to->depends = s->method.filter && az_trial_depends(&s->trial);
    to->fitness = fitness;
    to->birth = birth;
    forget(s, to);
    /* With hurdles it may have been stopped at one, which its fitness does not tell. */
    const double proven = s->trial.hurdle_train ? -1.0 : fitness;
    to->ancestor =
        az_lineage_extend(&s->lineage, &s->space, -1, &to->program, proven, birth, AZ_FROM_MIGRANT);
    ++s->received;
    if (proven > s->best.fitness) {
        assign(s, &s->best, to);
        s->improved = s->born;
    }
}
