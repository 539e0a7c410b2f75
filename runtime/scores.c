/* The table of scores. Entry -1 is none. */
#include "scores.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int32_t buckets_for(int32_t capacity)
{
    int32_t buckets = 16;
    while (buckets < capacity)
        buckets *= 2;
    return buckets;
}

size_t az_scores_bytes(int32_t capacity, int32_t width)
{
    const size_t entry = sizeof(az_scored) + sizeof(az_link) + (size_t)width * sizeof(double);
    return (size_t)capacity * entry + (size_t)buckets_for(capacity) * sizeof(int32_t);
}

int az_scores_new(az_scores *t, int32_t capacity, int32_t width)
{
    const int32_t buckets = buckets_for(capacity);
    t->capacity = capacity;
    t->mask = buckets - 1;
    t->entry = aligned_alloc(sizeof *t->entry, (size_t)capacity * sizeof *t->entry);
    t->link = malloc((size_t)capacity * sizeof *t->link);
    t->bucket = malloc((size_t)buckets * sizeof *t->bucket);
    t->width = width;
    t->beside = malloc((size_t)capacity * (size_t)width * sizeof *t->beside + 1);
    if (!t->entry || !t->link || !t->bucket || !t->beside)
        return 0;
    az_scores_clear(t);
    return 1;
}

void az_scores_free(az_scores *t)
{
    free(t->entry);
    free(t->link);
    free(t->bucket);
    free(t->beside);
    memset(t, 0, sizeof *t);
}

void az_scores_clear(az_scores *t)
{
    t->used = 0;
    t->newest = t->oldest = t->vacant = -1;
    memset(t->bucket, 0xff, (size_t)(t->mask + 1) * sizeof *t->bucket);
}

static int32_t *bucket_of(const az_scores *t, az_hash key)
{
    return &t->bucket[key.low & (uint64_t)t->mask];
}

/* Where the number of the entry with that key stands: in its bucket or in a chain. */
static int32_t *link_to(const az_scores *t, az_hash key)
{
    int32_t *link = bucket_of(t, key);
    while (*link >= 0) {
        const az_scored *e = &t->entry[*link];
        if (e->key.low == key.low && e->key.high == key.high)
            break;
        link = &t->link[*link].chain;
    }
    return link;
}

static void take_from_order(az_scores *t, int32_t number)
{
    const az_link *e = &t->link[number];
    *(e->newer >= 0 ? &t->link[e->newer].older : &t->newest) = e->older;
    *(e->older >= 0 ? &t->link[e->older].newer : &t->oldest) = e->newer;
}

static void put_newest(az_scores *t, int32_t number)
{
    t->link[number].newer = -1;
    t->link[number].older = t->newest;
    *(t->newest >= 0 ? &t->link[t->newest].newer : &t->oldest) = number;
    t->newest = number;
}

az_score *az_scores_find(az_scores *t, az_hash key)
{
    const int32_t number = *link_to(t, key);
    if (number < 0)
        return NULL;
    if (number != t->newest) {
        take_from_order(t, number);
        put_newest(t, number);
    }
    return &t->entry[number].score;
}

double *az_scores_beside(const az_scores *t, const az_score *score)
{
    const char *entry = (const char *)score - offsetof(az_scored, score);
    return t->beside + ((const az_scored *)entry - t->entry) * t->width;
}

void az_scores_drop(az_scores *t, az_hash key)
{
    int32_t *link = link_to(t, key);
    const int32_t number = *link;
    if (number < 0)
        return;
    az_link *e = &t->link[number];
    *link = e->chain;
    take_from_order(t, number);
    e->chain = t->vacant;
    t->vacant = number;
}

az_score *az_scores_add(az_scores *t, az_hash key)
{
    if (t->vacant < 0 && t->used == t->capacity)
        az_scores_drop(t, t->entry[t->oldest].key);
    int32_t number = t->vacant;
    if (number >= 0)
        t->vacant = t->link[number].chain;
    else
        number = t->used++;
    az_scored *e = &t->entry[number];
    int32_t *bucket = bucket_of(t, key);
    memset(e, 0, sizeof *e);
    e->key = key;
    t->link[number].chain = *bucket;
    *bucket = number;
    put_newest(t, number);
    return &e->score;
}
