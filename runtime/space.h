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

#include "canonical.h"
#include "draw.h"
#include "program.h"

/* How a constant of an op is drawn and mutated (azc/ops/model.py, ConstantKind). */
enum { AZ_SCALE, AZ_SCALE_POSITIVE, AZ_REDRAW, AZ_SCALE_SORTED };

/* The kinds of mutation: number, name in search files, function in space.c, whether it changes how
 * many instructions there are. All that is known of mutations elsewhere follows from this. */
#define AZ_EACH_MUTATION(X)                                                        \
    X(AZ_ALTER_PARAMETER, "alter-parameter", alter_parameter, 0)                   \
    X(AZ_RANDOMIZE_INSTRUCTION, "randomize-instruction", randomize_instruction, 0) \
    X(AZ_RANDOMIZE_FUNCTION, "randomize-function", randomize_function, 0)          \
    X(AZ_RANDOMIZE_PROGRAM, "randomize-program", randomize_program, 0)             \
    X(AZ_INSERT, "insert", insert, 1)                                              \
    X(AZ_REMOVE, "remove", take_out, 1)                                            \
    X(AZ_TRADE, "trade", trade, 1)                                                 \
    X(AZ_IDENTITY, "identity", leave, 0)                                           \
    /* flow.c */                                                                   \
    X(AZ_INSERT_LIVE, "insert-live", az_insert_live, 1)                            \
    X(AZ_UPDATE_STATE, "update-state", az_update_state, 1)                         \
    X(AZ_GROW_OPERAND, "grow-operand", az_grow_operand, 1)                         \
    X(AZ_BYPASS, "bypass", az_bypass, 1)                                           \
    X(AZ_MOVE, "move", az_move, 0)                                                 \
    X(AZ_CROSS, "cross", az_cross, 1)                                              \
    X(AZ_ALTER_CONSTANT, "alter-constant", az_alter_constant, 0)

#define AZ_NUMBER(number, name, function, resizes) number,
enum {
    AZ_EACH_MUTATION(AZ_NUMBER) AZ_MUTATIONS,
    /* where a program came from that no mutation made */
    AZ_FROM_START = AZ_MUTATIONS,
    AZ_FROM_RANDOM,
    AZ_FROM_SEED,
    AZ_FROM_BEST, /* of the populations before */
    AZ_FROM_MIGRANT,
    AZ_ORIGINS
};
#undef AZ_NUMBER

/* Their names, by number. */
extern const char *const az_origins[AZ_ORIGINS];

typedef uint64_t az_set; /* of addresses (flow.h) */

typedef struct {
    int32_t addresses[4]; /* by type */
    int32_t ops[3][AZ_OP_COUNT], op_count[3];
    int32_t least[3], most[3], first_size[3];
    int32_t mutation[AZ_MUTATIONS], mutations; /* those allowed */
    double repeat;                             /* how probably another mutation follows one */
    double decades;  /* values are drawn from 10^-decades to 1, of either sign; 0: evenly */
    double near_one; /* how probably the drawn size is the distance to 1 instead, from below */
    int64_t classes;
    /* az_space_finish: */
    int32_t start[3], capacity;
    int32_t offset[4]; /* where addresses of a type begin (az_space_map) */
    az_set of_type[4], features, label, prediction; /* empty where there are too many addresses */
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

/* What a mutation may look at beside the program that it changes. */
typedef struct {
    const az_candidate *(*other)(const void *of, int32_t number);
    const void *of;
    int32_t others;          /* programs that there are to look at: those of the population */
    az_canonical *canonical; /* room to find out what is live; for programs of the space */
    const az_address_map *map;
    int64_t classes;
} az_context;

typedef struct {
    const char *name;
    int resizes;
    void (*mutate)(const az_space *, az_draws *, const az_context *, az_candidate *);
} az_mutation_info;

#define AZ_MUTATION(name) \
    void name(const az_space *s, az_draws *d, const az_context *context, az_candidate *c)

extern const az_mutation_info az_mutations[AZ_MUTATIONS];

/* Draws the constants of a new instruction; one changes, as its kind does. */
void az_draw_constants(const az_space *space, az_draws *draws, az_instruction *in);
void az_scale_constant(const az_space *space, az_draws *draws, az_instruction *in, int which);

/* Mutates `c`; returns which kind of mutation was drawn last. */
int az_mutate(const az_space *space, az_draws *draws, const az_context *context, az_candidate *c);

/* Where the space's addresses lie, one after the other. */
az_address_map az_space_map(const az_space *space);

#endif
