/* The method `niches`: elites are kept for each kind of prediction, so that a new kind may learn to
 * learn before it has to be better than what is there already. */
#include "filter.h"
#include "flow.h"
#include "island.h"
#include "stages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How often the filter makes a candidate be drawn again; then the last is taken. */
#define DRAWS 1000000
/* Steps in which a program to start from grows, at most. */
#define GROWTH 12
/* How probably another constant changes in a fit, once one has. */
#define ANOTHER 0.5

/* ---- memory -------------------------------------------------------------------------------- */

size_t az_niches_bytes(const az_method *m)
{
    const size_t P = (size_t)m->population;
    return P * (sizeof(az_elite) + sizeof(az_niche) + ((size_t)m->elites + 2) * sizeof(int32_t));
}

int az_niches_begin(az_island *s)
{
    const size_t P = (size_t)s->method.population;
    az_niches *n = &s->niches;
    n->elite = calloc(P, sizeof *n->elite);
    n->niche = calloc(P, sizeof *n->niche);
    n->of = calloc(P * (size_t)s->method.elites, sizeof *n->of);
    n->ranked = calloc(P, sizeof *n->ranked);
    n->vacant = calloc(P, sizeof *n->vacant);
    for (int i = 0; i < s->trial.hurdles; ++i)
        n->least[i] = s->method.least * az_stages_untaught(&s->trial, i);
    return n->elite && n->niche && n->of && n->ranked && n->vacant;
}

void az_niches_end(az_island *s)
{
    az_niches *n = &s->niches;
    free(n->elite);
    free(n->niche);
    free(n->of);
    free(n->ranked);
    free(n->vacant);
}

void az_niches_restart(az_island *s)
{
    az_niches *n = &s->niches;
    n->niches = n->vacancies = n->used = 0;
    n->evaluated = 0;
    n->fits = 0;
    for (int level = 0; level < 2; ++level)
        if (s->trial.level[level].capacity)
            az_scores_clear(&s->trial.level[level]);
}

/* ---- who is where -------------------------------------------------------------------------- */

static int32_t *members_of(const az_island *s, int32_t niche)
{
    return s->niches.of + (size_t)niche * (size_t)s->method.elites;
}

static double best_of(const az_island *s, int32_t niche)
{
    return s->niches.elite[members_of(s, niche)[0]].score;
}

/* -1: there is none with that key. */
static int32_t find(const az_niches *n, uint64_t key)
{
    for (int32_t i = 0; i < n->niches; ++i)
        if (n->niche[n->ranked[i]].key == key)
            return n->ranked[i];
    return -1;
}

/* A new niche, the last in rank until it has members. */
static int32_t open_niche(az_niches *n, uint64_t key)
{
    const int32_t niche = n->vacancies ? n->vacant[--n->vacancies] : n->used++;
    n->niche[niche] = (az_niche){key, 0, n->niches};
    n->ranked[n->niches++] = niche;
    return niche;
}

/* The niche's best became better: it rises in rank. */
static void rise(az_island *s, int32_t niche)
{
    az_niches *n = &s->niches;
    int32_t rank = n->niche[niche].rank;
    for (; rank > 0 && best_of(s, n->ranked[rank - 1]) < best_of(s, niche); --rank) {
        n->ranked[rank] = n->ranked[rank - 1];
        n->niche[n->ranked[rank]].rank = rank;
    }
    n->ranked[rank] = niche;
    n->niche[niche].rank = rank;
}

/* A member's number, at `position` of its niche or before it if its score is higher. */
static void enter(az_island *s, int32_t niche, int32_t position, int32_t member)
{
    const az_elite *elite = s->niches.elite;
    int32_t *of = members_of(s, niche);
    for (; position > 0 && elite[of[position - 1]].score < elite[member].score; --position)
        of[position] = of[position - 1];
    of[position] = member;
    rise(s, niche);
}

/* The number of the last member of the last niche, which leaves. */
static int32_t leave(az_island *s)
{
    az_niches *n = &s->niches;
    const int32_t niche = n->ranked[n->niches - 1];
    const int32_t member = members_of(s, niche)[--n->niche[niche].count];
    if (!n->niche[niche].count) {
        --n->niches;
        n->vacant[n->vacancies++] = niche;
    }
    return member;
}

/* ---- drawing ------------------------------------------------------------------------------- */

/* The niche at a share of all ranks such that each doubling of the rank has as much as the one
 * before. */
static int32_t niche_at(const az_niches *n, double share)
{
    const int32_t rank = (int32_t)az_exp(share * az_log((double)n->niches + 1.0)) - 1;
    return n->ranked[rank < 0 ? 0 : rank >= n->niches ? n->niches - 1 : rank];
}

/* A niche by rank, or any; in it the better of two. */
static const az_member *parent_of(const az_island *s, az_draws *d)
{
    const az_niches *n = &s->niches;
    const int32_t niche = az_uniform(d) < s->method.even ? n->ranked[az_below(d, n->niches)]
                                                         : niche_at(n, az_uniform(d));
    const int32_t count = n->niche[niche].count;
    const int32_t one = az_below(d, count), other = az_below(d, count);
    return &s->member[members_of(s, niche)[one < other ? one : other]];
}

/* Programs that others may take parts of: by rank as well. */
static const az_candidate *donor(const void *island, int32_t number)
{
    const az_island *s = island;
    const int32_t niche = niche_at(&s->niches, ((double)number + 0.5) / (double)s->members);
    return &s->member[members_of(s, niche)[number % s->niches.niche[niche].count]].program;
}

/* Whether the filter lets a candidate pass; one that is `wanted` is analysed if so. No dead code is
 * left where all functions are searched, so that there the strict filter can come first: most of
 * what is drawn goes no further. */
static int passes(az_island *s, az_member *to, int wanted)
{
    const az_space *space = &s->space;
    const int first = s->method.filter == AZ_FILTER_STRICT && space->op_count[AZ_SETUP] &&
                      space->op_count[AZ_PREDICT] && space->op_count[AZ_LEARN];
    const az_program program = az_program_of(space, &to->program);
    to->depends = first && az_lacks(space, &program) == AZ_LACKS_NOTHING;
    if (first && !(wanted && to->depends))
        return to->depends;
    to->hash = az_trial_analyse(&s->trial, space, &to->program);
    if (!first)
        to->depends = az_passes_filter(s);
    return to->depends;
}

/* One step of growth: three in four towards what the program lacks, if that is known and functions
 * that it is lacking in are searched. */
static void grow_by_one(
    const az_space *space, az_draws *d, const az_context *context, az_candidate *to)
{
    const az_program program = az_program_of(space, to);
    const int lacks = az_lacks(space, &program);
    const int f = lacks == AZ_LACKS_STATES ? AZ_PREDICT : AZ_LEARN;
    if (lacks == AZ_LACKS_NOTHING || !space->op_count[f] || !az_below(d, 4)) {
        if (az_below(d, 3))
            az_insert_live(space, d, context, to);
        else
            az_grow_operand(space, d, context, to);
    } else if (lacks == AZ_LACKS_UPDATES) {
        az_add_to_state(space, d, to);
    } else if (az_below(d, 3)) {
        az_insert_in(space, d, to, f);
    } else {
        az_grow_in(space, d, to, f);
    }
    az_drop_dead(space, to);
}

/* A program to start from: random, or grown from what a population starts from until the filter
 * lets it pass, and half the time further. What is best so far comes first as it is. Its origin. */
static int grow(az_island *s, az_draws *d, const az_context *context, az_member *member)
{
    az_candidate *to = &member->program;
    const az_method *m = &s->method;
    const az_space *space = &s->space;
    const int origin = az_start_origin(s);
    const int first = origin == AZ_FROM_BEST && !s->niches.niches;
    if (origin == AZ_FROM_BEST)
        az_copy_candidate(space, to, &s->champion.program);
    else if (origin == AZ_FROM_SEED)
        az_copy_candidate(space, to, &m->start[az_below(d, m->starts)]);
    else if (origin == AZ_FROM_START)
        to->count[0] = to->count[1] = to->count[2] = 0;
    else
        az_random_program(space, d, to);
    const int steps = first || origin == AZ_FROM_RANDOM ? 0 : GROWTH;
    for (int i = 0; i < steps; ++i) {
        grow_by_one(space, d, context, to);
        if (passes(s, member, 0) && az_below(d, 2))
            return origin;
    }
    az_drop_dead(space, to);
    return origin;
}

static int is_same(az_hash one, az_hash other)
{
    return one.low == other.low && one.high == other.high;
}

/* Whether a mutation has left its program as it was, to the bit. */
static int is_untouched(const az_space *s, const az_candidate *c, const az_candidate *before)
{
    for (int f = 0; f < 3; ++f)
        if (c->count[f] != before->count[f] ||
            memcmp(
                c->code + s->start[f], before->code + s->start[f],
                (size_t)c->count[f] * sizeof *c->code) != 0)
            return 0;
    return 1;
}

/* Draws other constants for the member that is being fitted. */
static const az_member *fit(az_island *s, az_draws *d, const az_context *context, az_member *to)
{
    const az_member *fitted = &s->member[s->niches.fitted];
    az_copy_candidate(&s->space, &to->program, &fitted->program);
    do {
        az_alter_constant(&s->space, d, context, &to->program);
    } while (az_uniform(d) < ANOTHER);
    return fitted;
}

/* Draws a candidate that the filter lets pass into `to`; its parent, or NULL. */
static const az_member *draw(az_island *s, az_draws *d, az_member *to, int *origin)
{
    az_niches *n = &s->niches;
    az_context context = az_context_of(s);
    const az_member *parent = NULL;
    const int fits = n->fits > 0;
    n->fits -= fits;
    context.other = donor;
    for (int left = DRAWS;; --left) {
        if (fits) {
            parent = fit(s, d, &context, to);
            *origin = AZ_ALTER_CONSTANT;
        } else if (n->evaluated < s->method.grown || !n->niches) {
            *origin = grow(s, d, &context, to);
        } else {
            parent = parent_of(s, d);
            az_copy_candidate(&s->space, &to->program, &parent->program);
            *origin = az_mutate(&s->space, d, &context, &to->program);
            az_drop_dead(&s->space, &to->program);
        }
        az_trial_time(&s->trial, AZ_STAGE_DRAW);
        const int looked =
            left <= 1 || !parent || !is_untouched(&s->space, &to->program, &parent->program);
        const int passed = looked && passes(s, to, 1);
        az_trial_time(&s->trial, AZ_STAGE_ANALYSE);
        if (passed && !(parent && is_same(to->hash, parent->hash)))
            return parent;
        if (left <= 1) {
            to->hash = az_trial_analyse(&s->trial, &s->space, &to->program);
            return parent;
        }
        ++s->count[AZ_COUNT_FILTERED];
    }
}

/* ---- deciding ------------------------------------------------------------------------------ */

/* What a candidate must reach at a hurdle: the quantile of its niche's members if that is full, and
 * in any case what a program without knowledge does. */
static double bar(const az_island *s, int32_t niche, int hurdle)
{
    const az_niches *n = &s->niches;
    const int32_t K = s->method.elites;
    if (niche < 0 || n->niche[niche].count < K)
        return n->least[hurdle];
    double *sorted = s->scratch;
    for (int32_t i = 0; i < K; ++i) {
        const double score = n->elite[members_of(s, niche)[i]].hurdle[hurdle];
        int32_t j = i;
        for (; j > 0 && sorted[j - 1] > score; --j)
            sorted[j] = sorted[j - 1];
        sorted[j] = score;
    }
    const double value = sorted[(int32_t)(s->trial.hurdle_quantile[hurdle] * (double)K)];
    return value > n->least[hurdle] ? value : n->least[hurdle];
}

/* Whether a level of functional equivalence checking met the key before; from now on it has. */
static int known(az_scores *level, az_hash key)
{
    if (!level->capacity)
        return 0;
    if (az_scores_find(level, key))
        return 1;
    az_scores_add(level, key);
    return 0;
}

/* What kind of prediction the analysed candidate makes, by what it does at the first hurdle: what it
 * is made of, and how far from linear it is. */
static uint64_t behaviour(az_island *s)
{
    static const double bounds[] = {0.03, 0.3};
    const double far = az_stages_nonlinearity(&s->trial);
    uint64_t bin = 0;
    while (bin < sizeof bounds / sizeof *bounds && far >= bounds[bin])
        ++bin;
    return az_mix(az_ingredients(&s->space, &s->trial.canonical.program) + bin) | 1;
}

static int32_t length_of(const az_member *member)
{
    return member->program.count[AZ_PREDICT] + member->program.count[AZ_LEARN];
}

/* The position in its niche of a member that scores as a candidate does at a hurdle and at those
 * before it, but for less than the hurdle's `apart`; -1: there is none. */
static int32_t alike(const az_island *s, int32_t niche, const az_elite *own, int hurdle)
{
    const double apart = s->trial.hurdle_apart[hurdle];
    const int32_t count = niche >= 0 && apart > 0.0 ? s->niches.niche[niche].count : 0;
    for (int32_t i = 0; i < count; ++i) {
        const double *score = s->niches.elite[members_of(s, niche)[i]].hurdle;
        int h = 0;
        while (h <= hurdle && fabs(own->hurdle[h] - score[h]) < apart)
            ++h;
        if (h > hurdle)
            return i;
    }
    return -1;
}

/* Runs the analysed candidate on the first tasks, as far as it gets; how it was decided. Its niche
 * and the key of that are known from the first hurdle on, if not before. */
static int try_it(az_island *s, uint64_t *key, int32_t *niche, const az_member *to, az_elite *own)
{
    az_trial *t = &s->trial;
    if (known(&t->level[0], to->hash))
        return AZ_COUNT_LEVEL1;
    uint64_t fingerprint;
    az_stages_begin(t);
    if (!az_stages_fingerprint(t, &fingerprint))
        return AZ_COUNT_HURDLED;
    if (known(&t->level[1], (az_hash){fingerprint, 0}))
        return AZ_COUNT_LEVEL2;
    for (int i = 0; i < t->hurdles; ++i) {
        own->hurdle[i] = az_stages_hurdle(t, i);
        if (!i && s->method.behaviour && own->hurdle[i] >= s->niches.least[i]) {
            *key = behaviour(s);
            *niche = find(&s->niches, *key);
        }
        if (own->hurdle[i] < bar(s, *niche, i))
            return AZ_COUNT_HURDLED;
        const int32_t same = alike(s, *niche, own, i);
        if (same >= 0 && length_of(to) >= length_of(&s->member[members_of(s, *niche)[same]]))
            return AZ_COUNT_HURDLED;
    }
    own->first = az_stages_finish(t);
    return AZ_COUNT_EVALUATED;
}

/* Where a candidate would stand in its niche: in the place of a member, or as one more. */
typedef struct {
    int32_t position; /* -1: it is not good enough */
    int taken, is_new;
} az_stand;

/* That of a candidate that has its score on the first tasks: instead of a member with the same
 * structure or else one that scores alike, of the last one, or of none. */
static az_stand stand_of(const az_island *s, int32_t niche, const az_elite *own)
{
    if (niche < 0)
        return (az_stand){.is_new = 1};
    const az_elite *elite = s->niches.elite;
    const int32_t *of = members_of(s, niche), K = s->method.elites;
    const int32_t count = s->niches.niche[niche].count;
    int32_t position = -1;
    for (int i = 0; i < s->trial.hurdles && position < 0; ++i)
        position = alike(s, niche, own, i);
    for (int32_t i = 0; i < count; ++i)
        if (elite[of[i]].structure == own->structure)
            position = i;
    az_stand at = {position, position >= 0 || count == K, position < 0};
    if (at.is_new)
        at.position = count < K ? count : K - 1;
    if (at.taken && own->first <= elite[of[at.position]].first)
        at.position = -1;
    return at;
}

/* The number that a candidate has as a member from now on; -1: it does not become one. */
static int32_t settle(az_island *s, uint64_t key, int32_t niche, az_stand at, const az_elite *own)
{
    az_niches *n = &s->niches;
    int32_t member;
    if (at.taken) {
        member = members_of(s, niche)[at.position];
        if (own->score <= n->elite[member].score)
            return -1;
    } else if (s->members < s->method.population) {
        member = s->members++;
    } else {
        const int32_t last = n->ranked[n->niches - 1];
        if (own->score <= n->elite[members_of(s, last)[n->niche[last].count - 1]].score)
            return -1;
        member = leave(s);
        niche = find(n, key); /* it may have been the only one */
        at.position = niche < 0 ? 0 : n->niche[niche].count;
    }
    if (niche < 0)
        niche = open_niche(n, key);
    n->niche[niche].count += !at.taken;
    n->elite[member] = *own;
    enter(s, niche, at.position, member);
    return member;
}

/* A structure that is new to its niche has its constants fitted next, by `fit`. */
static void begin_fit(az_island *s, int32_t member)
{
    s->niches.fitted = member;
    s->niches.fits = az_count_constants(&s->space, &s->member[member].program) ? s->method.fit : 0;
}

/* Scores a candidate that is run on the first tasks. By what it is better or worse there than the
 * best of its niche, its fitness on all is estimated; only if that makes it the best is it run on
 * all, so that the best of a niche always is. Whether it was. */
static int confirm(az_island *s, int32_t niche, az_elite *own, az_member *to)
{
    az_trial *t = &s->trial;
    const double cost = s->method.parsimony * (double)length_of(to);
    if (niche >= 0 && t->confirm) {
        const int32_t member = members_of(s, niche)[0];
        const az_elite *best = &s->niches.elite[member];
        const double fitness = s->member[member].fitness + (own->first - best->first);
        to->fitness = fmin(fmax(fitness, 0.0), 1.0);
        own->score = to->fitness - cost;
        if (own->score <= best->score) {
            for (int64_t i = t->tasks - t->confirm; i < t->tasks; ++i)
                t->fitness[i] = NAN;
            return 0;
        }
    }
    to->fitness = az_stages_confirm(t, own->first);
    own->score = to->fitness - cost;
    return 1;
}

/* The candidate has its score on the first tasks: it becomes a member if it is good enough. */
static void consider(
    az_island *s,
    uint64_t key,
    int32_t niche,
    az_elite *own,
    int32_t before,
    int origin,
    az_member *to)
{
    az_trial *t = &s->trial;
    const az_stand at = stand_of(s, niche, own);
    if (at.position < 0)
        return;
    const int confirmed = confirm(s, niche, own, to);
    memcpy(az_beside(s, to), t->fitness, (size_t)s->width * sizeof *s->beside);
    const int32_t member = settle(s, key, niche, at, own);
    if (member < 0)
        return;
    to->ancestor = az_lineage_extend(
        &s->lineage, &s->space, before, &to->program, to->fitness, to->birth, origin);
    if (to->ancestor < -1) {
        to->ancestor = -1;
        t->failed = 1;
    }
    az_assign(s, &s->member[member], to);
    if (at.is_new && members_of(s, find(&s->niches, key))[0] == member)
        begin_fit(s, member);
    if (confirmed && to->fitness > s->best.fitness)
        az_note_best(s, to);
    az_forget(s, to);
    az_trial_time(t, AZ_STAGE_REPLACE);
}

/* Decides the candidate that was analysed last; how. */
static int decide(az_island *s, int32_t before, int origin, az_member *to)
{
    az_trial *t = &s->trial;
    az_niches *n = &s->niches;
    const int later = s->method.behaviour;
    uint64_t key = later ? 0 : az_form(&s->space, &t->canonical.program);
    int32_t niche = later ? -1 : find(n, key);
    az_elite own = {.structure = az_structure_hash(&t->canonical)};
    const int how = try_it(s, &key, &niche, to, &own);
    if (how != AZ_COUNT_LEVEL1)
        az_stages_end(t);
    if (how == AZ_COUNT_EVALUATED) {
        ++n->evaluated;
        consider(s, key, niche, &own, before, origin, to);
    }
    s->count[AZ_COUNT_NICHES] = n->niches;
    return how;
}

void az_niches_step(az_island *s)
{
    az_draws d = az_draws_of(s->method.key, (uint64_t)s->count[AZ_COUNT_PROGRAMS], AZ_STREAM_CHILD);
    az_member *to = &s->member[s->method.population];
    int origin;
    const az_member *parent = draw(s, &d, to, &origin);
    const int32_t before = az_lineage_before(s, parent, origin);
    to->birth = s->count[AZ_COUNT_PROGRAMS]++;
    ++s->count[decide(s, before, origin, to)];
}

void az_niches_receive(az_island *s, az_member *to)
{
    decide(s, -1, AZ_FROM_MIGRANT, to);
}
