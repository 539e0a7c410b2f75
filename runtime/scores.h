/* What is known of programs evaluated before: a table of bounded size, the least recently used
 * entry out. Serves both levels of functional equivalence checking.
 *
 *     entry     [capacity]   key and score, a cache line
 *     link      [capacity]   its neighbours in the chain of its bucket and in order of use: apart,
 *                            since looking up changes those of three entries
 *     bucket    [buckets]    first entry of each chain
 *     beside    [capacity][width]  further numbers of each entry, where some are kept
 */
#ifndef AZ_SCORES_H
#define AZ_SCORES_H

#include "xxh3.h"

/* What is known of a program; `known` has a bit for each. */
enum { AZ_HAS_FITNESS = 1, AZ_HAS_PREFIX = 2, AZ_HAS_FINGERPRINT = 4, AZ_HOPELESS = 8 };

typedef struct {
    double fitness, prefix; /* of the whole evaluation, and of the hurdle's */
    uint64_t fingerprint;
    int64_t steps; /* training steps that each took */
    uint32_t prefix_steps, fingerprint_steps;
    uint32_t known, hits;
} az_score;

typedef struct {
    az_hash key;
    az_score score;
} az_scored;

typedef struct {
    int32_t chain, newer, older;
} az_link;

typedef struct {
    az_scored *entry;
    az_link *link;
    int32_t *bucket;
    double *beside;
    int32_t width;
    int32_t capacity, used, mask, newest, oldest, vacant;
} az_scores;

/* Bytes of a table of that capacity, with `width` further numbers to each entry. */
size_t az_scores_bytes(int32_t capacity, int32_t width);

/* 0: no memory. */
int az_scores_new(az_scores *table, int32_t capacity, int32_t width);
void az_scores_free(az_scores *table);

/* The score under a key, which thereby becomes the most recently used; NULL if there is none. */
az_score *az_scores_find(az_scores *table, az_hash key);

/* A new score, zeroed, under a key that is not there yet. */
az_score *az_scores_add(az_scores *table, az_hash key);

/* The further numbers of a score that the table holds. */
double *az_scores_beside(const az_scores *table, const az_score *score);

void az_scores_drop(az_scores *table, az_hash key);
void az_scores_clear(az_scores *table);

#endif
