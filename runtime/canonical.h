/* A program's canonical form, its hashes, and whether it depends on what it should. Programs with
 * equal hashes predict the same: trial.c does not run those again, and compiled functions are known
 * by their hash without constants.
 *
 * The canonical form (azc/analysis.py, `canonical`) is laid out as it is hashed:
 *
 *     int64  op table's version | bytes of Setup | of Predict | of Learn
 *     live instructions, renamed: Setup, Predict, Learn without gaps
 *     zeros up to AZ_HASH_LEAST bytes
 */
#ifndef AZ_CANONICAL_H
#define AZ_CANONICAL_H

#include "plan.h"
#include "xxh3.h"

typedef struct {
    uint8_t *bytes;     /* of az_canonical_bytes */
    size_t length;      /* of what is hashed */
    az_program program; /* the canonical program, within `bytes` */
    az_known known;     /* about it */
    int32_t zero[4];    /* by type: what it calls every address that is never written */
    /* by address of the original program: the number it has here; -1: never written */
    int32_t *names;
    uint8_t *live; /* by instruction of the original program */
    /* working arrays */
    uint8_t *kept, *scratch, *bare;
} az_canonical;

/* Takes one allocation; 0: no memory. For programs of at most so many instructions and addresses. */
int az_canonical_new(az_canonical *c, int64_t instructions, int64_t addresses);
void az_canonical_free(az_canonical *c);

/* Fills `c` with the canonical form of a program for tasks of so many classes. `map` covers all of
 * the program's addresses and the interface's. */
void az_canonical_make(
    az_canonical *c, const az_program *program, const az_address_map *map, int64_t classes);

/* XXH3-128 of the canonical form: equal hashes, equal programs. */
az_hash az_canonical_hash(const az_canonical *c);

/* XXH3-64 of it without constants: of its structure (azc/compiler/structure.py). Leaves the
 * instructions without constants in `bare`, laid out as in `bytes`. */
uint64_t az_structure_hash(az_canonical *c);

/* Whether the prediction depends on the features and, through what Learn leaves behind, on labels
 * (as far as instructions tell, not values). Made from the canonical form. */
int az_canonical_depends(az_canonical *c, const az_address_map *map, int64_t classes);

#endif
