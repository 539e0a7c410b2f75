/* Where the work of a search goes: training steps per structure (a canonical program without its
 * constants), and the compiled functions of those that have some.
 *
 *     structure   [AZ_HEAT_SETS][AZ_HEAT_WAYS]   looked for among the ways of one set; where all
 *                                                are taken, the one with least work goes
 */
#ifndef AZ_HEAT_H
#define AZ_HEAT_H

#include "native.h"
#include "space.h"

enum { AZ_HEAT_SETS = 1024, AZ_HEAT_WAYS = 4 };

typedef struct {
    uint64_t key;             /* 0: nothing here */
    int64_t steps, runs;      /* since az_heat_cool: training steps, evaluations */
    const az_native **native; /* [blocks of the compiled layout] or NULL: not owned */
    az_candidate program;     /* the canonical program of the first that had this structure */
} az_structure;

typedef struct {
    az_structure *structure;
    az_instruction *code;
    int32_t capacity; /* instructions of a program */
} az_heat;

/* Bytes for programs of that capacity. */
size_t az_heat_bytes(int32_t capacity);

/* 0: no memory. */
int az_heat_new(az_heat *heat, int32_t capacity);
void az_heat_free(az_heat *heat);

/* The structure with that key, which is noted if it is new. */
az_structure *az_heat_of(az_heat *heat, uint64_t key, const az_program *canonical);

/* Halves all counts, so that what was hot long ago makes room. */
void az_heat_cool(az_heat *heat);

#endif
