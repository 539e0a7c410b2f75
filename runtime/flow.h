/* What flows where in a program, as sets of addresses, and mutations that know it
 * (docs/semantics.md, "Search"): what they add is read by something, and reads what there is.
 *
 * A set has a bit for each address of the space, in the order of az_space_map: at most 64.
 */
#ifndef AZ_FLOW_H
#define AZ_FLOW_H

#include "space.h"

enum { AZ_SET_SIZE = 64 };

/* What is needed when Predict and Learn begin, beside features and label, which are given. */
typedef struct {
    az_set predict, learn;
} az_needs;

/* Nothing for AZ_NO_TYPE, whose number is 0. */
static inline az_set az_bit(const az_space *space, int type, int32_t number)
{
    return (az_set)(type != AZ_NO_TYPE) << (space->offset[type] + number);
}

static inline az_set az_written_by(const az_space *space, const az_instruction *in)
{
    return az_bit(space, az_ops[in->op].result, in->out);
}

/* An op that sets one entry needs the others. */
static inline az_set az_read_by(const az_space *space, const az_instruction *in)
{
    const az_op_info *op = &az_ops[in->op];
    return az_bit(space, op->first, in->a) | az_bit(space, op->second, in->b) |
           (op->entry ? az_bit(space, op->result, in->out) : 0);
}

/* What any instruction of a body writes. */
static inline az_set az_written_in(const az_space *space, const az_instruction *body, int64_t count)
{
    az_set written = 0;
    for (int64_t i = 0; i < count; ++i)
        written |= az_written_by(space, &body[i]);
    return written;
}

az_needs az_find_needs(const az_space *space, const az_candidate *c);

/* What is needed right before an instruction of a function, or after its last one. */
az_set az_needed_at(
    const az_space *space,
    const az_candidate *c,
    const az_needs *needs,
    int function,
    int32_t position);

/* Takes out instructions without effect, of functions that are searched. */
void az_drop_dead(const az_space *space, az_candidate *c);

/* Constants that az_alter_constant may change. */
int32_t az_count_constants(const az_space *space, const az_candidate *c);

/* What programs grow by: a new instruction of a function that writes what is needed behind it; one
 * of an expression for an operand; the addition of an expression to a state that Predict reads,
 * or another update where no op of Learn adds to one. */
void az_insert_in(const az_space *space, az_draws *draws, az_candidate *c, int function);
void az_grow_in(const az_space *space, az_draws *draws, az_candidate *c, int function);
void az_add_to_state(const az_space *space, az_draws *draws, az_candidate *c);

/* Mutations, which leave a program as it is where they find nothing to do. */
AZ_MUTATION(az_insert_live);
AZ_MUTATION(az_update_state);
AZ_MUTATION(az_grow_operand);
AZ_MUTATION(az_bypass);
AZ_MUTATION(az_move);
AZ_MUTATION(az_cross);
AZ_MUTATION(az_alter_constant);

#endif
