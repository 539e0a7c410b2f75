/* What a search draws from: random programs and mutations (docs/semantics.md, "Search").
 *
 * A program under search lies in an array of `capacity` instructions, each function in a region
 * as long as its greatest size:
 *
 *     | Setup … most[0] | Predict … most[1] | Learn … most[2] |
 *       ^ start[0]        ^ start[1]          ^ start[2]
 *
 * Fields that an op does not use are zero.
 */
#ifndef AZ_SPACE_H
#define AZ_SPACE_H

#include "draw.h"
#include "program.h"

/* How a constant of an op is drawn and mutated (azc/ops/model.py, ConstantKind). */
enum { AZ_SCALE, AZ_SCALE_POSITIVE, AZ_REDRAW, AZ_SCALE_SORTED };

/* In the order of azc/search/space.py. */
enum {
    AZ_ALTER_PARAMETER,
    AZ_RANDOMIZE_INSTRUCTION,
    AZ_RANDOMIZE_FUNCTION,
    AZ_RANDOMIZE_PROGRAM,
    AZ_INSERT,
    AZ_REMOVE,
    AZ_TRADE,
    AZ_IDENTITY,
    AZ_MUTATIONS,
    /* where a program came from that no mutation made */
    AZ_FROM_START = AZ_MUTATIONS,
    AZ_FROM_RANDOM,
    AZ_FROM_SEED,
    AZ_FROM_MIGRANT
};

typedef struct {
    int32_t addresses[4]; /* by type */
    int32_t ops[3][AZ_OP_COUNT], op_count[3];
    int32_t least[3], most[3], first_size[3];
    int32_t mutation[AZ_MUTATIONS], mutations; /* those allowed */
    int32_t start[3], capacity;                /* follow from `most`: az_space_finish */
} az_space;

/* Where a program lies, and how long its functions are. */
typedef struct {
    az_instruction *code; /* [capacity] */
    int32_t count[3];
} az_candidate;

void az_space_finish(az_space *space);

static inline az_program az_program_of(const az_space *space, const az_candidate *c)
{
    az_program program;
    for (int f = 0; f < 3; ++f) {
        program.body[f] = c->code + space->start[f];
        program.count[f] = c->count[f];
    }
    return program;
}

void az_copy_candidate(const az_space *space, az_candidate *to, const az_candidate *from);

/* All functions random, at their first sizes; a function without ops is left as it is. */
void az_random_program(const az_space *space, az_draws *draws, az_candidate *to);

/* Instructions without effect, at the first sizes. */
void az_empty_program(const az_space *space, az_candidate *to);

/* Mutates in place; returns which kind of mutation was drawn. */
int az_mutate(const az_space *space, az_draws *draws, az_candidate *c);

#endif
