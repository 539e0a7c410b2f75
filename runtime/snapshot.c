/* Snapshots of islands: fixed-size records one after the other, in the machine's byte order.
 *
 *     head | settings | counts, state | lineage | members, those bred, best, champion |
 *     niches | hurdle's scores | both levels, oldest first
 */
#include <string.h>

#include "settings.h"

#define SNAPSHOT_VERSION 5

/* Writes, or counts where there is no `to`; reads, or fails for good where bytes run out. */
typedef struct {
    uint8_t *to;
    const uint8_t *from;
    size_t at, length;
    int failed;
} tape;

static void put(tape *t, const void *bytes, size_t count)
{
    if (t->to && count)
        memcpy(t->to + t->at, bytes, count);
    t->at += count;
}

static void take(tape *t, void *bytes, size_t count)
{
    if (t->failed || count > t->length - t->at) {
        t->failed = 1;
        if (count)
            memset(bytes, 0, count);
        return;
    }
    if (count)
        memcpy(bytes, t->from + t->at, count);
    t->at += count;
}

/* What must be as it was for a snapshot to fit, beside the settings. */
typedef struct {
    int64_t version, table, instruction, score, room[3];
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
    for (int f = 0; f < 3; ++f)
        h.room[f] = s->space.most[f];
    h.identity = s->identity;
    return h;
}

/* Scores in the hurdle's window that mean something. */
static int64_t recent_scores(const az_trial *trial)
{
    return trial->recents < trial->window ? trial->recents : trial->window;
}

static size_t beside_bytes(const az_scores *scores)
{
    return (size_t)scores->width * sizeof *scores->beside;
}

static size_t niche_members(const az_island *s)
{
    return (size_t)s->niches.used * (size_t)s->method.elites;
}

/* What changes of an island beside its counts and what is in its tables. */
enum {
    RUN_BORN,
    RUN_STEPS,
    IMPROVED,
    MEMBERS,
    OLDEST,
    BRED,
    RECENTS,
    NICHES,
    VACANCIES,
    USED,
    TRIED,
    FITTED,
    FITS,
    STATES
};

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
    put(t, az_beside(s, m), (size_t)s->width * sizeof *s->beside);
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
        put(t, az_scores_beside(scores, &scores->entry[e].score), beside_bytes(scores));
    }
}

static void put_niches(tape *t, const az_island *s)
{
    const az_niches *n = &s->niches;
    if (!n->elite)
        return;
    put(t, n->elite, (size_t)s->members * sizeof *n->elite);
    put(t, n->niche, (size_t)n->used * sizeof *n->niche);
    put(t, n->of, niche_members(s) * sizeof *n->of);
    put(t, n->ranked, (size_t)n->niches * sizeof *n->ranked);
    put(t, n->vacant, (size_t)n->vacancies * sizeof *n->vacant);
}

static void put_settings(tape *t, const az_island *s)
{
    for (int i = 0; i < az_setting_count; ++i)
        if (az_setting_table[i].course)
            put(t, az_setting_of(s, &az_setting_table[i]), az_setting_table[i].bytes);
}

size_t az_island_save(const az_island *s, uint8_t *bytes)
{
    tape t = {.to = bytes};
    const head h = head_of(s);
    const az_trial *trial = &s->trial;
    const az_niches *n = &s->niches;
    const int64_t state[STATES] = {
        [RUN_BORN] = s->run_born,
        [RUN_STEPS] = s->run_steps,
        [IMPROVED] = s->improved,
        [MEMBERS] = s->members,
        [OLDEST] = s->oldest,
        [BRED] = s->bred,
        [RECENTS] = trial->recents,
        [NICHES] = n->niches,
        [VACANCIES] = n->vacancies,
        [USED] = n->used,
        [TRIED] = n->evaluated,
        [FITTED] = n->fitted,
        [FITS] = n->fits};
    put(&t, &h, sizeof h);
    put_settings(&t, s);
    put(&t, s->count, sizeof s->count);
    put(&t, state, sizeof state);
    put(&t, &s->told, sizeof s->told);
    put(&t, &s->improved_to, sizeof s->improved_to);
    put(&t, &trial->threshold, sizeof trial->threshold);
    put_lineage(&t, s);
    for (int32_t i = 0; i < s->members + s->bred; ++i)
        put_member(&t, s, &s->member[i]);
    put_member(&t, s, &s->best);
    put_member(&t, s, &s->champion);
    put_niches(&t, s);
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
    take(t, az_beside(s, m), (size_t)s->width * sizeof *s->beside);
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
        az_score *score = az_scores_add(scores, key);
        take(t, score, sizeof *score);
        take(t, az_scores_beside(scores, score), beside_bytes(scores));
    }
}

static void take_numbers(tape *t, int32_t *to, size_t count, int32_t below)
{
    take(t, to, count * sizeof *to);
    for (size_t i = 0; i < count && !t->failed; ++i)
        t->failed = to[i] < 0 || to[i] >= below;
}

static void take_niches(tape *t, az_island *s)
{
    az_niches *n = &s->niches;
    if (!n->elite)
        return;
    take(t, n->elite, (size_t)s->members * sizeof *n->elite);
    take(t, n->niche, (size_t)n->used * sizeof *n->niche);
    for (int32_t i = 0; i < n->used && !t->failed; ++i)
        t->failed = n->niche[i].count < 0 || n->niche[i].count > s->method.elites;
    take_numbers(t, n->of, niche_members(s), s->method.population);
    take_numbers(t, n->ranked, (size_t)n->niches, n->used);
    take_numbers(t, n->vacant, (size_t)n->vacancies, n->used);
    for (int32_t i = 0; i < n->niches && !t->failed; ++i)
        t->failed = n->niche[n->ranked[i]].count == 0;
}

static int same_settings(tape *t, const az_island *s)
{
    int same = 1;
    for (int i = 0; i < az_setting_count && same; ++i) {
        const az_setting *setting = &az_setting_table[i];
        if (!setting->course)
            continue;
        same = setting->bytes <= t->length - t->at &&
               !memcmp(az_setting_of(s, setting), t->from + t->at, setting->bytes);
        t->at += same ? setting->bytes : 0;
    }
    return same;
}

/* What else the state of a whole island can be. */
static int take_state(tape *t, az_island *s)
{
    int64_t state[STATES];
    take(t, state, sizeof state);
    const int64_t P = s->method.population, members = state[MEMBERS], bred = state[BRED];
    if (t->failed || members < 0 || members > P || state[OLDEST] < 0 ||
        state[OLDEST] >= (members ? members : 1) || state[RECENTS] < 0 || bred < 0 ||
        bred > (members < P ? 0 : s->brood - 1))
        return 0;
    if (state[USED] < 0 || state[USED] > (s->niches.elite ? P : 0) || state[NICHES] < 0 ||
        state[VACANCIES] < 0 || state[NICHES] + state[VACANCIES] != state[USED])
        return 0;
    if (state[FITS] < 0 || state[FITS] > s->method.fit || state[FITTED] < 0 ||
        (state[FITS] && state[FITTED] >= members))
        return 0;
    s->niches.fitted = (int32_t)state[FITTED];
    s->niches.fits = (int32_t)state[FITS];
    s->niches.niches = (int32_t)state[NICHES];
    s->niches.vacancies = (int32_t)state[VACANCIES];
    s->niches.used = (int32_t)state[USED];
    s->niches.evaluated = state[TRIED];
    s->run_born = state[RUN_BORN];
    s->run_steps = state[RUN_STEPS];
    s->improved = state[IMPROVED];
    s->members = (int32_t)members;
    s->oldest = (int32_t)state[OLDEST];
    s->bred = (int32_t)bred;
    s->trial.recents = state[RECENTS];
    return 1;
}

int az_island_load(az_island *s, const uint8_t *bytes, size_t length)
{
    tape t = {.from = bytes, .length = length};
    const head mine = head_of(s);
    head theirs;
    az_trial *trial = &s->trial;
    take(&t, &theirs, sizeof theirs);
    if (t.failed || memcmp(&mine, &theirs, sizeof mine) || !same_settings(&t, s))
        return 0;
    for (int32_t i = 0; i < s->method.population + s->brood; ++i)
        s->member[i].ancestor = -1; /* nobody holds an ancestor of before */
    s->best.ancestor = s->champion.ancestor = -1;
    take(&t, s->count, sizeof s->count);
    if (!take_state(&t, s))
        return 0;
    take(&t, &s->told, sizeof s->told);
    take(&t, &s->improved_to, sizeof s->improved_to);
    take(&t, &trial->threshold, sizeof trial->threshold);
    take_lineage(&t, s);
    for (int32_t i = 0; i < s->members + s->bred && !t.failed; ++i)
        take_member(&t, s, &s->member[i]);
    take_member(&t, s, &s->best);
    take_member(&t, s, &s->champion);
    take_niches(&t, s);
    take(&t, trial->recent, (size_t)recent_scores(trial) * sizeof *trial->recent);
    take_scores(&t, &trial->level[0]);
    take_scores(&t, &trial->level[1]);
    return !t.failed && t.at == length;
}
