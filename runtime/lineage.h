/* Where programs came from: the ancestors of each that were better than all before them. The chain
 * rises in fitness from one ancestor to the next, so it stays short however long a search runs.
 *
 *     ancestor   [room]              link to the one before, count of who holds it
 *     code       [room][capacity]    its program
 *
 * Ancestor -1 is none. Whoever holds one (a member of the population, the best, a later ancestor)
 * counts; what nobody holds is used again. */
#ifndef AZ_LINEAGE_H
#define AZ_LINEAGE_H

#include "space.h"

typedef struct {
    int64_t birth;
    double fitness;
    int32_t before, holders; /* where vacant, `before` is the next vacant one */
    int32_t mutation, count[3];
} az_ancestor;

typedef struct {
    az_ancestor *ancestor;
    az_instruction *code;
    int32_t capacity, room, used, vacant;
} az_lineage;

void az_lineage_free(az_lineage *lineage);

/* Room for so many ancestors; 0: no memory. */
int az_lineage_reserve(az_lineage *lineage, int32_t room);

/* Ancestor of a program that came of `before`: a new one if it is better, otherwise `before`; held
 * once more either way. -2: no memory. */
int32_t az_lineage_extend(
    az_lineage *lineage,
    const az_space *space,
    int32_t before,
    const az_candidate *program,
    double fitness,
    int64_t birth,
    int mutation);

void az_lineage_hold(az_lineage *lineage, int32_t ancestor);
void az_lineage_release(az_lineage *lineage, int32_t ancestor);

#endif
