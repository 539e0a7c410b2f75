/* Chains of ancestors. */
#include "lineage.h"

#include <stdlib.h>
#include <string.h>

void az_lineage_free(az_lineage *t)
{
    free(t->ancestor);
    free(t->code);
    memset(t, 0, sizeof *t);
}

int az_lineage_reserve(az_lineage *t, int32_t room)
{
    if (t->ancestor && room <= t->room)
        return 1;
    room = room < 64 ? 64 : room;
    void *ancestor = realloc(t->ancestor, (size_t)room * sizeof *t->ancestor);
    if (!ancestor)
        return 0;
    t->ancestor = ancestor;
    void *code = realloc(t->code, (size_t)room * (size_t)t->capacity * sizeof *t->code + 1);
    if (!code)
        return 0;
    t->code = code;
    t->room = room;
    return 1;
}

void az_lineage_hold(az_lineage *t, int32_t a)
{
    if (a >= 0)
        ++t->ancestor[a].holders;
}

void az_lineage_release(az_lineage *t, int32_t a)
{
    while (a >= 0 && --t->ancestor[a].holders == 0) {
        const int32_t before = t->ancestor[a].before;
        t->ancestor[a].before = t->vacant;
        t->vacant = a;
        a = before;
    }
}

int32_t az_lineage_extend(
    az_lineage *t,
    const az_space *space,
    int32_t before,
    const az_candidate *program,
    double fitness,
    int64_t birth,
    int mutation)
{
    az_lineage_hold(t, before);
    if (before >= 0 && fitness <= t->ancestor[before].fitness)
        return before;
    int32_t a = t->used ? t->vacant : -1;
    if (a >= 0) {
        t->vacant = t->ancestor[a].before;
    } else {
        if (t->used == t->room && !az_lineage_reserve(t, 2 * t->room))
            return -2;
        if (!t->used)
            t->vacant = -1;
        a = t->used++;
    }
    az_candidate to = {t->code + (size_t)a * (size_t)t->capacity, {0, 0, 0}};
    az_copy_candidate(space, &to, program);
    t->ancestor[a] =
        (az_ancestor){birth, fitness, before, 1, mutation, {to.count[0], to.count[1], to.count[2]}};
    return a;
}
