/* One island: a population, and the method that makes it better.
 *
 *     az_island_run    breeds candidates one after the other, until told to stop
 *     methods.c        how each method breeds the next one, and whom it replaces
 *     trial.h          what fitness a candidate has
 *
 * What candidate k draws depends on (seed, island, k) alone (draw.h), and the clock decides only
 * when az_island_run returns: however a search is cut into calls, it takes the same course. A call
 * may end within a family, which the next call goes on with.
 *
 *     member   [population + brood + 1]    the population, in age order from `oldest` on (a
 *                                          ring); then what is bred before it replaces anyone
 *                                          (az_method_info's brood); then the best
 *     code     [the same][capacity]
 */
#ifndef AZ_ISLAND_H
#define AZ_ISLAND_H

#include "lineage.h"
#include "niches.h"
#include "trial.h"

/* Why az_island_run returned. */
enum {
    AZ_STOPPED_AT_COUNT,
    AZ_STOPPED_AT_TIME,
    AZ_STOPPED_AT_TARGET, /* a better program than ever, at or above the target */
    AZ_STOPPED_AT_END,    /* of this population: az_island_restart begins the next */
    AZ_STOPPED_AT_FAILURE /* no memory */
};

/* Streams of draws of one candidate. */
enum { AZ_STREAM_CHILD, AZ_STREAM_PARENTS };

typedef struct {
    az_candidate program;
    az_hash hash;
    double fitness;
    int64_t birth;
    int32_t ancestor; /* lineage.h */
    int32_t depends;  /* the filter would let it pass */
} az_member;

/* What a search file says (tables.py), and what follows from it. */
typedef struct {
    AZ_METHOD_SETTINGS
    az_candidate *start; /* programs to start from, in turn */
    int32_t starts;
    uint64_t key; /* az_key(seed, island) */
} az_method;

typedef struct {
    az_method method;
    az_space space;
    az_trial trial;
    az_lineage lineage;
    az_member *member;
    az_instruction *code;
    double *beside; /* [all members][width]: their fitness on each task */
    int32_t width;  /* 0 unless that is kept */
    az_niches niches;
    void *scratch; /* the method's own, nothing of it lasts from one candidate to the next */
    int32_t members, oldest;
    int32_t brood;      /* beside the population, for what is bred */
    int32_t bred;       /* of the family that is in the making */
    az_member best;     /* of this population */
    az_member champion; /* of those before it, where populations begin with it */
    int64_t count[AZ_COUNTS];
    int64_t run_born, run_steps, improved; /* programs and steps when this population began, and
                                              programs when it last had a new best */
    uint64_t identity;  /* a hash of all that the course depends on, given from outside */
    double improved_to; /* the best fitness when it had improved last */
    double told;        /* fitness at which AZ_STOPPED_AT_TARGET was returned last */
} az_island;

/* ---- methods ------------------------------------------------------------------------------- */

/* A method of search: one entry in methods.c, from which names and limits reach Python. */
typedef struct {
    const char *name;
    int32_t least, most;                  /* members that its population can have */
    int fills;                            /* the population is filled before the first step */
    int families;                         /* `children` means something */
    int staged;                           /* decides in stages (stages.h) */
    int32_t (*brood)(const az_method *);  /* beside the population; NULL: one */
    size_t (*scratch)(const az_method *); /* bytes; NULL: none */
    void (*step)(az_island *island);      /* breeds one candidate, and replaces when it is time */
    /* NULL where population and scratch are all that the method has: */
    size_t (*bytes)(const az_method *);
    int (*begin)(az_island *island); /* takes that memory, clear; 0: there is none */
    void (*end)(az_island *island);  /* gives it back */
    void (*restart)(az_island *island);
    void (*receive)(az_island *island, az_member *migrant); /* analysed */
} az_method_info;

extern const az_method_info az_methods[];
extern const int az_method_count;

/* Others that a candidate must not equal: parents, and children in a row. */
typedef struct {
    const az_member *parent[2], *child;
    int32_t children;
} az_family;

/* What mutations may look at; for the next candidate. */
az_context az_context_of(az_island *island);

/* Whether the filter, if there is one, lets the analysed candidate pass. */
int az_passes_filter(az_island *island);

/* Draws a candidate into `to` and decides it: a mutant of `parent` (with probability
 * `mutate_prob`; else its copy), or without a parent what a population starts from. Drawn again
 * while it equals one of the family (which may be NULL), or the filter is on and stops it. */
void az_breed(
    az_island *island,
    az_draws *draws,
    const az_member *parent,
    const az_family *family,
    az_member *to);

/* What this population begins with: AZ_FROM_BEST (of those before it), AZ_FROM_SEED, AZ_FROM_START
 * or AZ_FROM_RANDOM. */
int az_start_origin(const az_island *island);

/* Where the lineage is of what a program comes from: the best before, or its parent; -1: nothing. */
int32_t az_lineage_before(const az_island *island, const az_member *parent, int origin);

/* A member's fitness on each task, where it is kept; NaN where nobody knows it. */
double *az_beside(const az_island *island, const az_member *member);

/* `m` is the best of this population so far. */
void az_note_best(az_island *island, const az_member *m);

/* A member becomes another's equal. */
void az_assign(az_island *island, az_member *to, const az_member *from);
/* Its ancestors are not held any more. */
void az_forget(az_island *island, az_member *member);

/* The method `niches` (niches.c). */
size_t az_niches_bytes(const az_method *method);
int az_niches_begin(az_island *island);
void az_niches_end(az_island *island);
void az_niches_restart(az_island *island);
void az_niches_step(az_island *island);
void az_niches_receive(az_island *island, az_member *migrant);

/* ---- the course ---------------------------------------------------------------------------- */

/* Bytes that an island takes, when method, space and trial are set: all but machines, compiled
 * code and lineage, which grow with the search. */
size_t az_island_bytes(const az_island *island);

/* Cuts up memory, when method, space and trial are set; 0: no memory. */
int az_island_finish(az_island *island);
void az_island_free(az_island *island);

/* Runs until `until` candidates were bred, or a few more to the end of a family. */
int az_island_run(az_island *island, int64_t until, int64_t nanoseconds);

/* Decides a program that a method outside has bred, and counts it; -1: no memory. */
double az_island_evaluate(az_island *island, const az_candidate *program);

/* Begins a new population. */
void az_island_restart(az_island *island);

/* A program from another island replaces the member at a position. Fitness NaN: what it has on the
 * tasks here is not known, so it is decided as a candidate is, and counted. */
void az_island_receive(
    az_island *island,
    int32_t position,
    const az_candidate *program,
    double fitness,
    int64_t birth);

/* Snapshots: everything that the course of the search depends on. `bytes` NULL only counts. */
size_t az_island_save(const az_island *island, uint8_t *bytes);
/* 0: not a snapshot of an island with these settings; the island must not be used then. */
int az_island_load(az_island *island, const uint8_t *bytes, size_t length);

#endif
