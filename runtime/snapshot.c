/* Snapshots of islands: fixed-size records one after the other, in the machine's byte order.
 *
 *     head | counts | lineage | members, best | hurdle's scores | both levels, oldest first
 */
#include <string.h>

#include "island.h"

#define SNAPSHOT_VERSION 1

/* Writes, or counts where there is no `to`; reads, or fails for good where bytes run out. */
typedef struct {
    uint8_t *to;
    const uint8_t *from;
    size_t at, length;
    int failed;
} tape;

static void put(tape *t, const void *bytes, size_t count)
{
    if (t->to)
        memcpy(t->to + t->at, bytes, count);
    t->at += count;
}

static void take(tape *t, void *bytes, size_t count)
{
    if (t->failed || count > t->length - t->at) {
        t->failed = 1;
        memset(bytes, 0, count);
        return;
    }
    memcpy(bytes, t->from + t->at, count);
    t->at += count;
}

/* What must be as it was for a snapshot to fit. */
typedef struct {
    int64_t version, table, instruction, score, capacity, population, room[3], sizes[2], window;
    uint64_t identity;
} head;

static head head_of(const az_island *s)
{
    head h;
    memset(&h, 0, sizeof h);
    h.version = SNAPSHOT_VERSION;
    h.table = AZ_TABLE_VERSION;
    h.instruction = sizeof(az_instruction);
    h.score = sizeof(az_score);
    h.capacity = s->space.capacity;
    h.population = s->method.population;
    for (int f = 0; f < 3; ++f)
        h.room[f] = s->space.most[f];
    for (int l = 0; l < 2; ++l)
        h.sizes[l] = s->trial.level[l].capacity;
    h.window = s->trial.window;
    h.identity = s->identity;
    return h;
}

/* Scores in the hurdle's window that mean something. */
static int64_t recent_scores(const az_trial *trial)
{
    return trial->recents < trial->window ? trial->recents : trial->window;
}

/* ---- saving -------------------------------------------------------------------------------- */

static void put_code(tape *t, const az_island *s, const az_instruction *code, const int32_t *count)
{
    for (int f = 0; f < 3; ++f)
        put(t, code + s->space.start[f], (size_t)count[f] * sizeof *code);
}

static void put_member(tape *t, const az_island *s, const az_member *m)
{
    az_member plain = *m;
    plain.program.code = NULL;
    put(t, &plain, sizeof plain);
    put_code(t, s, m->program.code, m->program.count);
}

static void put_lineage(tape *t, const az_island *s)
{
    const az_lineage *l = &s->lineage;
    put(t, &l->used, sizeof l->used);
    put(t, &l->vacant, sizeof l->vacant);
    put(t, l->ancestor, (size_t)l->used * sizeof *l->ancestor);
    for (int32_t a = 0; a < l->used; ++a)
        put_code(t, s, l->code + (size_t)a * (size_t)l->capacity, l->ancestor[a].count);
}

static void put_scores(tape *t, const az_scores *scores)
{
    int64_t count = 0;
    for (int32_t e = scores->capacity ? scores->oldest : -1; e >= 0; e = scores->link[e].newer)
        ++count;
    put(t, &count, sizeof count);
    for (int32_t e = count ? scores->oldest : -1; e >= 0; e = scores->link[e].newer) {
        put(t, &scores->entry[e].key, sizeof(az_hash));
        put(t, &scores->entry[e].score, sizeof(az_score));
    }
}

size_t az_island_save(const az_island *s, uint8_t *bytes)
{
    tape t = {.to = bytes};
    const head h = head_of(s);
    const az_trial *trial = &s->trial;
    put(&t, &h, sizeof h);
    const int64_t counts[] = {s->born,     s->filtered,  s->received,   s->run,
                              s->run_born, s->run_steps, s->improved,   s->members,
                              s->oldest,   trial->steps, trial->recents};
    put(&t, counts, sizeof counts);
    put(&t, &s->told, sizeof s->told);
    put(&t, &trial->threshold, sizeof trial->threshold);
    put(&t, trial->ways, sizeof trial->ways);
    put_lineage(&t, s);
    for (int32_t i = 0; i < s->members; ++i)
        put_member(&t, s, &s->member[i]);
    put_member(&t, s, &s->best);
    put(&t, trial->recent, (size_t)recent_scores(trial) * sizeof *trial->recent);
    put_scores(&t, &trial->level[0]);
    put_scores(&t, &trial->level[1]);
    return t.at;
}

/* ---- loading ------------------------------------------------------------------------------- */

static void take_code(tape *t, const az_island *s, az_instruction *code, const int32_t *count)
{
    for (int f = 0; f < 3; ++f) {
        if (count[f] < 0 || count[f] > s->space.most[f]) {
            t->failed = 1;
            return;
        }
        take(t, code + s->space.start[f], (size_t)count[f] * sizeof *code);
    }
}

static void take_member(tape *t, const az_island *s, az_member *m)
{
    az_instruction *code = m->program.code;
    take(t, m, sizeof *m);
    m->program.code = code;
    t->failed |= m->ancestor < -1 || m->ancestor >= s->lineage.used;
    take_code(t, s, code, m->program.count);
}

static void take_lineage(tape *t, az_island *s)
{
    az_lineage *l = &s->lineage;
    int32_t used, vacant;
    take(t, &used, sizeof used);
    take(t, &vacant, sizeof vacant);
    const size_t left = t->length - t->at;
    if (t->failed || used < 0 || (size_t)used * sizeof *l->ancestor > left ||
        !az_lineage_reserve(l, used)) {
        t->failed = 1;
        return;
    }
    l->used = used;
    l->vacant = vacant;
    take(t, l->ancestor, (size_t)used * sizeof *l->ancestor);
    for (int32_t a = 0; a < used && !t->failed; ++a) {
        t->failed |= l->ancestor[a].before < -1 || l->ancestor[a].before >= used;
        take_code(t, s, l->code + (size_t)a * (size_t)l->capacity, l->ancestor[a].count);
    }
}

static void take_scores(tape *t, az_scores *scores)
{
    int64_t count;
    take(t, &count, sizeof count);
    if (scores->capacity)
        az_scores_clear(scores);
    t->failed |= count < 0 || count > scores->capacity;
    for (int64_t e = 0; e < count && !t->failed; ++e) {
        az_hash key;
        take(t, &key, sizeof key);
        take(t, az_scores_add(scores, key), sizeof(az_score));
    }
}

int az_island_load(az_island *s, const uint8_t *bytes, size_t length)
{
    tape t = {.from = bytes, .length = length};
    const head mine = head_of(s);
    head theirs;
    az_trial *trial = &s->trial;
    take(&t, &theirs, sizeof theirs);
    if (t.failed || memcmp(&mine, &theirs, sizeof mine))
        return 0;
    const size_t places = (size_t)(s->method.population + s->method.children + 1);
    for (size_t i = 0; i < places; ++i) /* nobody holds an ancestor of before */
        s->member[i].ancestor = -1;
    s->best.ancestor = -1;
    int64_t counts[11];
    take(&t, counts, sizeof counts);
    if (counts[7] < 0 || counts[7] > s->method.population || counts[8] < 0 ||
        counts[8] >= (counts[7] ? counts[7] : 1))
        return 0;
    s->born = counts[0];
    s->filtered = counts[1];
    s->received = counts[2];
    s->run = counts[3];
    s->run_born = counts[4];
    s->run_steps = counts[5];
    s->improved = counts[6];
    s->members = (int32_t)counts[7];
    s->oldest = (int32_t)counts[8];
    trial->steps = counts[9];
    trial->recents = counts[10];
    if (t.failed || trial->recents < 0)
        return 0;
    take(&t, &s->told, sizeof s->told);
    take(&t, &trial->threshold, sizeof trial->threshold);
    take(&t, trial->ways, sizeof trial->ways);
    take_lineage(&t, s);
    for (int32_t i = 0; i < s->members && !t.failed; ++i)
        take_member(&t, s, &s->member[i]);
    take_member(&t, s, &s->best);
    take(&t, trial->recent, (size_t)recent_scores(trial) * sizeof *trial->recent);
    take_scores(&t, &trial->level[0]);
    take_scores(&t, &trial->level[1]);
    return !t.failed && t.at == length;
}
