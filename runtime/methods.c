/* The methods of search. Each breeds one candidate a step, so that a call of az_island_run can end
 * after any of them; what a step needs to know of those before it is in the island (`bred`) or
 * drawn again from the same numbers. */
#include "island.h"

#include <stdlib.h>

static az_draws draws_of(const az_island *s, int64_t candidate, uint32_t stream)
{
    return az_draws_of(s->method.key, (uint64_t)candidate, stream);
}

/* ---- random search ------------------------------------------------------------------------- */

/* Every program is independent; the best is kept. */
static void random_search(az_island *s)
{
    az_draws d = draws_of(s, s->count[AZ_COUNT_PROGRAMS], AZ_STREAM_CHILD);
    s->members = 1;
    az_breed(s, &d, NULL, NULL, &s->member[0]);
}

/* ---- regularized evolution ----------------------------------------------------------------- */

/* The oldest goes; of T others, drawn with replacement, the best has a child. */
static void regularized_evolution(az_island *s)
{
    const int32_t P = s->members;
    az_draws d = draws_of(s, s->count[AZ_COUNT_PROGRAMS], AZ_STREAM_CHILD);
    const az_member *parent = NULL;
    for (int i = 0; i < s->method.tournament; ++i) {
        const int32_t younger = P > 1 ? 1 + az_below(&d, P - 1) : 0;
        const az_member *m = &s->member[(s->oldest + younger) % P];
        if (!parent || m->fitness > parent->fitness)
            parent = m;
    }
    az_member *child = &s->member[P];
    az_breed(s, &d, parent, NULL, child);
    az_assign(s, &s->member[s->oldest], child);
    az_forget(s, child);
    s->oldest = (s->oldest + 1) % P;
}

/* ---- minimal generation gap ---------------------------------------------------------------- */

static int32_t children_of(const az_method *m)
{
    return m->children;
}

/* Families above this size look fitness up in order, rather than member by member. */
enum { LARGE_FAMILY = 64 };

/* A weight for each of the family, and for a large one the members' fitness in order. */
static size_t family_bytes(const az_method *m)
{
    const size_t ordered = m->children + 2 > LARGE_FAMILY ? (size_t)m->population : 0;
    return ((size_t)m->children + 2 + ordered) * sizeof(double);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* How many of the values in order are below `value`, or not above it. */
static int32_t count_below(const double *ordered, int32_t count, double value, int not_above)
{
    int32_t low = 0;
    while (low < count) {
        const int32_t middle = low + (count - low) / 2;
        if (ordered[middle] < value || (not_above && ordered[middle] == value))
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

/* How many members have this very fitness; `ordered` may be NULL. */
static int32_t alike(const az_island *s, const double *ordered, double fitness)
{
    if (ordered)
        return count_below(ordered, s->members, fitness, 1) -
               count_below(ordered, s->members, fitness, 0);
    int32_t count = 0;
    for (int32_t i = 0; i < s->members; ++i)
        count += s->member[i].fitness == fitness;
    return count;
}

static double *order_fitness(const az_island *s, double *to)
{
    for (int32_t i = 0; i < s->members; ++i)
        to[i] = s->member[i].fitness;
    qsort(to, (size_t)s->members, sizeof *to, ascending);
    return to;
}

/* Member k of the family: the two parents, then the children. */
static const az_member *in_family(const az_island *s, const az_family *family, int32_t k)
{
    return k < 2 ? family->parent[k] : &s->member[s->members + k - 2];
}

/* Two of a family come back, instead of its parents: the best, and one that is drawn, fitter
 * and rarer ones rather. */
static void replace_parents(az_island *s, const az_family *family, az_draws *d)
{
    const int32_t size = s->bred + 2;
    int32_t best = 0;
    for (int32_t k = 1; k < size; ++k) /* rather a child than a parent */
        if (in_family(s, family, k)->fitness >= in_family(s, family, best)->fitness)
            best = k;
    double *weight = s->scratch, total = 0.0;
    const double *ordered = size > LARGE_FAMILY ? order_fitness(s, weight + size) : NULL;
    for (int32_t k = 0; k < size; ++k) {
        const double fitness = in_family(s, family, k)->fitness;
        weight[k] = k == best ? 0.0 : fitness / (1 + alike(s, ordered, fitness));
        total += weight[k];
    }
    int32_t other = best ? 0 : 1;
    double left = az_uniform(d) * total;
    for (int32_t k = 0; k < size; ++k) {
        if (weight[k] > 0.0) {
            other = k;
            if ((left -= weight[k]) < 0.0)
                break;
        }
    }
    /* A parent that survives stays where it is. */
    int32_t survivor[2] = {best, other};
    if (best == 1 || other == 0) {
        survivor[0] = other;
        survivor[1] = best;
    }
    for (int i = 0; i < 2; ++i)
        if (survivor[i] != i)
            az_assign(
                s, &s->member[family->parent[i] - s->member], in_family(s, family, survivor[i]));
}

/* Two parents have K children, each bred by a step of its own; then the family is decided (Satoh,
 * Yamamura, Kobayashi 1996). */
static void minimal_generation_gap(az_island *s)
{
    const int32_t P = s->members;
    const int64_t born = s->count[AZ_COUNT_PROGRAMS];
    az_draws d = draws_of(s, born - s->bred, AZ_STREAM_PARENTS);
    const int32_t first = az_below(&d, P), second = (first + 1 + az_below(&d, P - 1)) % P;
    const az_family family = {{&s->member[first], &s->member[second]}, &s->member[P], s->bred};
    az_draws own = draws_of(s, born, AZ_STREAM_CHILD);
    az_breed(s, &own, family.parent[s->bred & 1], &family, &s->member[P + s->bred]);
    if (++s->bred < s->method.children)
        return;
    replace_parents(s, &family, &d);
    for (int32_t k = 0; k < s->bred; ++k)
        az_forget(s, &s->member[P + k]);
    s->bred = 0;
    az_trial_time(&s->trial, AZ_STAGE_REPLACE);
}

/* ---- niches -------------------------------------------------------------------------------- */

static size_t elite_bytes(const az_method *m)
{
    return (size_t)m->elites * sizeof(double);
}

/* ---- all of them --------------------------------------------------------------------------- */

const az_method_info az_methods[] = {
    {.name = "regularized-evolution",
     .least = 1,
     .most = INT32_MAX,
     .fills = 1,
     .step = regularized_evolution},
    {.name = "random", .least = 1, .most = 1, .step = random_search},
    {.name = "mgg",
     .least = 2,
     .most = INT32_MAX,
     .fills = 1,
     .families = 1,
     .brood = children_of,
     .scratch = family_bytes,
     .step = minimal_generation_gap},
    {.name = "niches",
     .least = 1,
     .most = INT32_MAX,
     .staged = 1,
     .scratch = elite_bytes,
     .step = az_niches_step,
     .bytes = az_niches_bytes,
     .begin = az_niches_begin,
     .end = az_niches_end,
     .restart = az_niches_restart,
     .receive = az_niches_receive},
};
const int az_method_count = sizeof az_methods / sizeof *az_methods;
