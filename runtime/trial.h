/* Decides candidates: what fitness a program has on the tasks of a search, with as little work
 * as possible.
 *
 *     static cost        above the budget: fitness 0, nothing is run
 *     canonical form     an equal program was run before: level 1 of functional equivalence checking
 *     fingerprint        another program predicted the same from a few examples: level 2
 *     hurdle             a prefix of the examples, beyond which only the better ones go
 *     evaluation         all examples of all tasks, interpreted or compiled
 *
 * Level 1 only remembers. Every decision is taken as if each program had been run anew, so that
 * the course of a search is the same with level 1 and without.
 */
#ifndef AZ_TRIAL_H
#define AZ_TRIAL_H

#include "_generated/search_tables.h"
#include "canonical.h"
#include "heat.h"
#include "interpreter.h"
#include "scores.h"
#include "space.h"

/* Where the time goes. */
enum {
    AZ_STAGE_DRAW,
    AZ_STAGE_ANALYSE, /* slice, canonical form, hash, filter */
    AZ_STAGE_LOOK_UP,
    AZ_STAGE_PREPARE, /* of machines */
    AZ_STAGE_FINGERPRINT,
    AZ_STAGE_EVALUATE,
    AZ_STAGE_CONFIRM,
    AZ_STAGE_REPLACE,
    AZ_STAGES
};

/* Fitness on each task: as decided, of the whole evaluation, and of the hurdle's. */
enum { AZ_DECIDED, AZ_WHOLE, AZ_PREFIX, AZ_ROWS };

/* Some tasks side by side, in the layout of the interpreter or of compiled code. */
typedef struct {
    const az_batch *batch;
    const az_kernel_set *kernels; /* of the batch's lanes */
    int64_t chunk;                /* lanes of one chunk, for compiled code */
    int32_t task[AZ_MAX_LANES];   /* number of the task in each active lane */
    az_machine *machine;
} az_lanes;

typedef struct {
    az_lanes *lanes;
    int count;
} az_layout;

typedef struct {
    /* what to do (tables.py) */
    AZ_TRIAL_SETTINGS
    az_settings settings; /* what machines are told of it */
    int timed;

    /* what is kept */
    az_layout interpreted, compiled;
    int staged; /* the method decides in stages (stages.h), */
    int first;  /* first on the tasks of so many blocks */
    const az_kernel_set *chunk_kernels;
    az_address_map map;
    az_canonical canonical;
    az_scores level[2];
    az_heat heat;
    double *recent; /* [window] prefix scores, and where the next goes */
    int64_t recents;
    double threshold;
    double *fitness;   /* [tasks] of the last evaluation */
    double *row;       /* [AZ_ROWS][tasks] with `per_task`: of the candidate at hand */
    double *sorted;    /* [max(tasks, window)] */
    double *heard;     /* [first blocks][example][class][lane] training predictions */
    double *digest;    /* the predictions that a fingerprint is the hash of */
    double *constants; /* [chunks][constants][lane], and places, of a compiled call */
    int64_t *places;
    void *probe; /* what az_stages_nonlinearity works in */
    size_t probe_bytes;
    int prepared; /* machines are, for the candidate at hand */
    int hurdled;  /* the last decision: a score on the first examples, no fitness */

    /* what was done */
    int64_t *count; /* [AZ_COUNTS] of the island; the last decision is one of them */
    int64_t steps_run, steps_native;
    int64_t stage[AZ_STAGES]; /* nanoseconds, if timed */
    int64_t mark;
    int failed; /* no memory */
} az_trial;

/* Bytes of working memory, without machines. */
size_t az_trial_bytes(const az_trial *trial, const az_space *space);

/* Numbers in one prediction. */
static inline int64_t az_prediction_width(const az_trial *trial)
{
    return trial->classes > 2 ? trial->classes : 1;
}

/* Cuts it up, when what to do and the layouts are set; 0: no memory. */
int az_trial_finish(az_trial *trial, const az_space *space);
void az_trial_free(az_trial *trial);

/* Analyses a candidate; returns its canonical hash. What follows is about that candidate. */
az_hash az_trial_analyse(az_trial *trial, const az_space *space, const az_candidate *c);

/* Prepares the interpreter's machine of some tasks for the analysed candidate. */
void az_trial_prepare(az_trial *trial, const az_lanes *lanes);

/* Whether the analysed candidate depends on features and labels. */
int az_trial_depends(az_trial *trial);

/* The fitness of the analysed candidate, whose hash is given; `cost` is its static cost. */
double az_trial_decide(az_trial *trial, az_hash hash, double cost);

/* Setup + examples x (Predict + Learn), from the costs of ops (reference, train budget). */
double az_trial_cost(const az_trial *trial, const az_program *program);

/* Numbers that are kept of a program beside its fitness: none, or one for each task. */
int32_t az_trial_width(const az_trial *trial);

/* The upper median of the first `count` of the last evaluation's fitness values. */
double az_trial_median(az_trial *trial, int64_t count);

/* Of how many examples of training predictions are kept (stages.h), and the doubles that takes. */
int64_t az_stages_heard(const az_trial *trial);
size_t az_stages_room(const az_trial *trial);

/* Adds the time since the last call to a stage. */
void az_trial_time(az_trial *trial, int stage);

#endif
