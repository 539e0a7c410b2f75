/* One island: a population, and the methods that make it better.
 *
 *     az_island_run    candidates are drawn and decided, one after the other, until told to stop
 *
 * What candidate k draws depends on (seed, island, k) alone (draw.h), and the clock decides only
 * when az_island_run returns: however a search is cut into calls, it takes the same course.
 *
 *     member   [population + children + 1]   the population, in age order from `oldest` on (a
 *                                            ring); then a family's children, or what is drawn
 *     code     [the same][capacity]
 */
#ifndef AZ_ISLAND_H
#define AZ_ISLAND_H

#include "lineage.h"
#include "trial.h"

enum { AZ_RANDOM_SEARCH, AZ_REGULARIZED_EVOLUTION, AZ_MGG };

/* Why az_island_run returned. */
enum {
    AZ_STOPPED_AT_COUNT,
    AZ_STOPPED_AT_TIME,
    AZ_STOPPED_AT_TARGET, /* a better program than ever, at or above the target */
    AZ_STOPPED_AT_END,    /* of this population: az_island_restart begins the next */
    AZ_STOPPED_AT_FAILURE /* no memory */
};

typedef struct {
    az_candidate program;
    az_hash hash;
    double fitness;
    int64_t birth;
    int32_t ancestor; /* lineage.h */
    int32_t depends;  /* the filter would let it pass */
} az_member;

typedef struct {
    int method, population, tournament, children, filter;
    double mutate_prob;
    int empty;          /* start from empty programs, not random ones */
    az_candidate *seed; /* or from these, in turn */
    int seeds;
    uint64_t key;                                    /* az_key(seed, island) */
    double target;                                   /* fitness */
    int64_t most_steps, most_programs, patience, by; /* of one population; 0: no limit */
    double by_fitness;                               /* to be reached by `by` programs */
} az_method;

typedef struct {
    az_method method;
    az_space space;
    az_trial trial;
    az_lineage lineage;
    az_member *member;
    az_instruction *code;
    int32_t members, oldest;
    az_member best; /* of this population */
    int64_t born, filtered, received;
    int64_t run, run_born, run_steps, improved; /* this population: its number, and counts when
                                                   it began and last had a new best */
    uint64_t identity; /* a hash of all that the course depends on, given from outside */
    double told;       /* fitness at which AZ_STOPPED_AT_TARGET was returned last */
} az_island;

/* Cuts up memory, when method, space and trial are set; 0: no memory. */
int az_island_finish(az_island *island);
void az_island_free(az_island *island);

/* Runs until `until` candidates were born, or a few more where several are born at once. */
int az_island_run(az_island *island, int64_t until, int64_t nanoseconds);

/* Begins a new population. */
void az_island_restart(az_island *island);

/* A program from another island takes the place of member `place`. */
void az_island_receive(
    az_island *island, int32_t place, const az_candidate *program, double fitness, int64_t birth);

/* Snapshots: everything that the course of the search depends on. `bytes` NULL only counts. */
size_t az_island_save(const az_island *island, uint8_t *bytes);
/* 0: not a snapshot of an island with these settings; the island must not be used then. */
int az_island_load(az_island *island, const uint8_t *bytes, size_t length);

#endif
