/* A program as C has it: three arrays of instructions. And what is known about it before it runs:
 * which instructions are live, which addresses matter. Everything in this folder builds on it. */
#ifndef AZ_PROGRAM_H
#define AZ_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "_generated/ops.h"

enum { AZ_NO_TYPE, AZ_SCALAR, AZ_VECTOR_TYPE, AZ_MATRIX };
enum { AZ_SETUP, AZ_PREDICT, AZ_LEARN };

/* As azc/program/instruction.py packs it (Instruction.pack):
 *
 *     int32  op | out | a | b        float64  c0 | c1 | c2
 *
 * An entry index is a fraction of F in [0, 1), or -(k + 1) for coordinate k. */
typedef struct {
    int32_t op, out, a, b;
    double constant[3];
} az_instruction;

typedef struct {
    const az_instruction *body[3]; /* Setup, Predict, Learn */
    int64_t count[3];
} az_program;

/* What the op table says of an op. */
typedef struct {
    uint8_t result, first, second; /* AZ_SCALAR …, AZ_NO_TYPE where absent */
    uint8_t constants;
    uint8_t random, entry, in_place;
    uint8_t commutative, symmetric; /* the latter but for ties and NaN */
    uint8_t adds;                   /* or subtracts: of one type alone */
} az_op_info;

extern const az_op_info az_ops[AZ_OP_COUNT];

/* Addresses that evaluation itself reads and writes. With classes <= 2: features v0, label s0,
 * prediction s1. With more: features v0, label v1 (one-hot), prediction v2. */
typedef struct {
    int label_type, label, prediction;
} az_interface;

az_interface az_interface_of(int64_t classes);

/* What a program says itself of the classes of its tasks: 3, for more than two, where it never
 * writes the prediction s1 but does write v2; else 0. */
int64_t az_suggested_classes(const az_program *program);

/* Every address of a program as one index: type offsets plus the number. */
typedef struct {
    int32_t offset[4]; /* by type */
    int32_t count;
} az_address_map;

/* The map that covers the program and the interface's addresses. */
az_address_map az_map_addresses(const az_program *program);

static inline int32_t az_address(const az_address_map *map, int type, int32_t number)
{
    return map->offset[type] + number;
}

typedef struct {
    /* no instruction of Learn is live: training is only the search for an early stop */
    int learns;
    /* Predict reads nothing that Predict (or evaluation after it) wrote in an earlier call, so
     * validation examples do not depend on one another */
    int stateless;
    /* the same in training, where s1 becomes its sigmoid between Predict and Learn */
    int stateless_training;
    /* a live instruction draws random numbers */
    int random;
} az_facts;

/* Live instructions: those that can reach a prediction, through Predict, Learn and the loop over
 * examples (least fixpoint; the result of running only these is the same to the bit).
 *
 * `live` [all instructions, in the order Setup, Predict, Learn] receives 0, or AZ_LIVE with the
 * other bits below; classes as in az_interface_of, 1 or more where training applies a sigmoid or
 * softmax. `scratch` has 2 * map->count bytes. */
enum {
    AZ_LIVE = 1,
    AZ_FIRST_DIES = 2, /* nothing reads the first operand's value after this instruction */
    AZ_SECOND_DIES = 4
};

az_facts az_find_live(
    const az_program *program,
    const az_address_map *map,
    int64_t classes,
    uint8_t *live,
    uint8_t *scratch);

/* Addresses whose values live instructions need: from one example to
 * the next; after Predict; at the start of Setup, where they are zeros. Each `needed[i]` has map->count bytes; the rest as above. */
enum { AZ_BETWEEN, AZ_AFTER_PREDICT, AZ_BEFORE_SETUP, AZ_MOMENTS };

void az_find_needed(
    const az_program *program,
    const az_address_map *map,
    int64_t classes,
    uint8_t *live,
    uint8_t *needed[AZ_MOMENTS]);

#endif
