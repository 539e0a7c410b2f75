/* A plan: what the interpreter does for a program on tasks of one shape. It has a step for each live
 * instruction, or for two that one kernel does together, and the sizes of the cells that the steps
 * read and write. machine.c makes one for every program, and then gives the cells real memory. */
#ifndef AZ_PLAN_H
#define AZ_PLAN_H

#include "kernels.h"
#include "program.h"

/* One step before memory exists: a kernel's number and the cells it works on. */
typedef struct {
    int32_t kernel, out, a, b, c;
    uint32_t place;
} az_draft;

typedef struct {
    int64_t features, classes, lanes;
    int keep_dead;   /* take dead instructions along, and fuse nothing */
    int addressable; /* what an example leaves to the next stands at the program's addresses */
} az_shape;

typedef struct {
    az_shape shape;
    az_facts facts;
    az_draft *draft;     /* [steps] Setup, Predict, Learn one after the other */
    int64_t first[4];    /* where each function begins in `draft` */
    int64_t *size;       /* [cells] doubles */
    uint8_t *by_predict; /* [cells] whether Predict writes the cell */
    double *constant;    /* [constants] values, and the cells they fill */
    int32_t *constant_cell;
    int32_t cells, constants;
    int32_t features, label, prediction, zero_scalar, zero_vector;
    int own_features, own_label; /* the program writes them, so they need memory of their own */
    /* working arrays, and the one allocation that holds all arrays */
    uint8_t *live, *scratch, *absorbed, *side_of;
    int64_t *producer;
    int32_t *cell_of, *kept;
    int32_t scratch_vector, scratch_matrix;
    az_address_map map;
    void *buffer;
    size_t bytes;
} az_plan;

/* What az_find_live said of a program that has no dead instructions. */
typedef struct {
    az_facts facts;
    const uint8_t *live;
} az_known;

/* Outcomes of planning and preparing. */
enum { AZ_READY, AZ_NO_MEMORY, AZ_BAD_INDEX };

/* Plan a program for a shape; `plan` starts zeroed and may be used again. AZ_BAD_INDEX: the
 * program sets an entry by a coordinate that is not below F. `known` spares finding it out; or
 * NULL. */
int az_plan_make(
    az_plan *plan, const az_program *program, const az_shape *shape, const az_known *known);
void az_plan_free(az_plan *plan);

/* The entry that an instruction sets, counted through a matrix row by row; -1 if a constant index
 * lies outside. */
int64_t az_entry_place(const az_instruction *in, int64_t features);

/* How many of an op's constants are indices of the entry that it sets; they come first. */
static inline int az_index_count(const az_op_info *op)
{
    return op->entry ? op->constants - 1 : 0;
}

/* At least `bytes` bytes on a cache line, contents lost; a buffer never shrinks. 0: no memory. */
int az_reserve(void **buffer, size_t *size, size_t bytes);

/* Doubles rounded up to whole cache lines. */
static inline int64_t az_line(int64_t doubles)
{
    return (doubles + 7) & ~INT64_C(7);
}

#endif
