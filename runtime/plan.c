#include "plan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The size of large pages, and of buffers from which on they are asked for. */
#define AZ_HUGE ((size_t)2 << 20)

/* A matrix of fewer rows is made as soon as the vectors that it is made of are kept. */
#define AZ_FEW_ROWS 4

#define AZ_FUSED(kernel, producer, consumer, side) [producer][consumer][side] = kernel,

/* The kernel that runs a pair as one, 0 if there is none: [producer][consumer][operand]. */
static const uint8_t fused_kernel[AZ_OP_COUNT][AZ_OP_COUNT][2] = {AZ_EACH_FUSED(AZ_FUSED)};

int az_reserve(void **buffer, size_t *size, size_t bytes)
{
    if (*size >= bytes)
        return 1;
    free(*buffer);
    *size = 0;
    const size_t align = bytes < AZ_HUGE ? 64 : AZ_HUGE;
    if (posix_memalign(buffer, align, bytes)) {
        *buffer = NULL;
        return 0;
    }
#ifdef MADV_HUGEPAGE /* a hint; without it, address translation is a good part of a pass */
    if (align == AZ_HUGE)
        (void)madvise(*buffer, bytes, MADV_HUGEPAGE);
#endif
    *size = bytes;
    return 1;
}

void az_plan_free(az_plan *plan)
{
    free(plan->buffer);
    plan->buffer = NULL;
    plan->bytes = 0;
}

/* Cuts arrays out of the plan's buffer; without a base it only counts. */
typedef struct {
    char *base;
    size_t used;
} cutter;

static void *cut(cutter *c, size_t bytes)
{
    void *piece = c->base ? c->base + c->used : NULL;
    c->used += (bytes + 63) & ~(size_t)63;
    return piece;
}

static void cut_all(az_plan *p, cutter *c, int64_t count)
{
    const size_t instructions = (size_t)count;
    const size_t addresses = (size_t)p->map.count;
    const size_t constants = 2 * instructions;      /* or vectors that are kept, of what has none */
    const size_t cells = addresses + constants + 4; /* zeros and scratch */
    p->draft = cut(c, 2 * instructions * sizeof *p->draft); /* an op, and maybe a copy */
    p->live = cut(c, instructions);
    p->absorbed = cut(c, instructions);
    p->side_of = cut(c, instructions);
    p->producer = cut(c, instructions * sizeof *p->producer);
    p->kept = cut(c, instructions * sizeof *p->kept);
    p->scratch = cut(c, 2 * addresses);
    p->cell_of = cut(c, addresses * sizeof *p->cell_of);
    p->size = cut(c, cells * sizeof *p->size);
    p->by_predict = cut(c, cells);
    p->constant = cut(c, constants * sizeof *p->constant);
    p->constant_cell = cut(c, constants * sizeof *p->constant_cell);
}

/* ---- fusing -------------------------------------------------------------------------------- */

static inline int reads(const az_instruction *in, int type, int32_t number)
{
    const az_op_info *op = &az_ops[in->op];
    return (op->first == type && in->a == number) || (op->second == type && in->b == number) ||
           (op->entry && op->result == type && in->out == number);
}

static inline int writes(const az_instruction *in, int type, int32_t number)
{
    return az_ops[in->op].result == type && in->out == number;
}

/* The last live instruction in [from, to) that writes the address; -1 if there is none, or if a later
 * one reads it. */
static int64_t last_writer(
    const az_instruction *body,
    const uint8_t *live,
    int64_t from,
    int64_t to,
    int type,
    int32_t number)
{
    for (int64_t j = to; j-- > from;) {
        if (live[j] && writes(&body[j], type, number))
            return j;
        if (live[j] && reads(&body[j], type, number))
            return -1;
    }
    return -1;
}

/* Looks in `body` for the instruction whose result instruction i reads from address (type,
 * number), and which could as well run right before i; -1 if there is none. Nothing in between may
 * read or write that address, nor write what the instruction reads. */
static int64_t movable_producer(
    const az_instruction *body, const uint8_t *live, int64_t i, int type, int32_t number)
{
    const int64_t j = last_writer(body, live, 0, i, type, number);
    if (j < 0)
        return -1;
    const az_op_info *op = &az_ops[body[j].op];
    for (int64_t k = j + 1; k < i; ++k) {
        if (!live[k])
            continue;
        if (op->first && writes(&body[k], op->first, body[j].a))
            return -1;
        if (op->second && writes(&body[k], op->second, body[j].b))
            return -1;
    }
    return j;
}

/* Whether an instruction is the last to read its operand of that side, and reads it on no other. */
static int reads_last(const az_instruction *in, uint8_t live, int side)
{
    const az_op_info *op = &az_ops[in->op];
    const int same = op->first == op->second && in->a == in->b;
    return (side ? op->second : op->first) && !same &&
           (live & (side ? AZ_SECOND_DIES : AZ_FIRST_DIES));
}

/* Pairs of instructions that one kernel can run, where nothing else reads what the first makes:
 * producer[i] becomes the instruction that makes i's operand side_of[i], or -1; absorbed[that
 * instruction] becomes 1. */
static void fuse(
    const az_instruction *body,
    int64_t count,
    const uint8_t *live,
    int64_t *producer,
    uint8_t *side_of,
    uint8_t *absorbed)
{
    for (int64_t i = 0; i < count; ++i) {
        producer[i] = -1;
        absorbed[i] = 0;
    }
    for (int64_t i = 0; i < count; ++i) {
        const az_instruction *in = &body[i];
        const az_op_info *op = &az_ops[in->op];
        for (int side = 1; live[i] && producer[i] < 0 && side >= 0; --side) {
            if (!reads_last(in, live[i], side))
                continue;
            const int64_t j = movable_producer(
                body, live, i, side ? op->second : op->first, side ? in->b : in->a);
            if (j < 0 || producer[j] >= 0)
                continue;
            if (fused_kernel[body[j].op][in->op][op->commutative ? 1 : side]) {
                producer[i] = j;
                side_of[i] = (uint8_t)side;
                absorbed[j] = 1;
            }
        }
    }
}

static int64_t start_of(const az_program *program, int function)
{
    int64_t start = 0;
    for (int f = 0; f < function; ++f)
        start += program->count[f];
    return start;
}

/* Whether no live instruction of the function in [from, to) reads or writes the matrix. */
static int untouched(
    const az_plan *p,
    const az_program *program,
    int function,
    int64_t from,
    int64_t to,
    int32_t matrix)
{
    const az_instruction *body = program->body[function];
    const uint8_t *live = p->live + start_of(program, function);
    for (int64_t i = from; i < to; ++i)
        if (live[i] && (reads(&body[i], AZ_MATRIX, matrix) || writes(&body[i], AZ_MATRIX, matrix)))
            return 0;
    return 1;
}

/* The instruction of Learn behind instruction i whose matrix i reads at the next example, and which
 * makes it of two vectors; -1 if there is none. Memory must begin with zeros there, which is what it
 * makes of zeros, and nothing else may read or write the matrix in between. */
static int64_t producer_before(
    const az_plan *p, const az_program *program, int64_t i, int32_t matrix)
{
    const az_instruction *body = program->body[AZ_LEARN];
    const uint8_t *live = p->live + start_of(program, AZ_LEARN);
    const int64_t j = last_writer(body, live, i + 1, program->count[AZ_LEARN], AZ_MATRIX, matrix);
    if (j < 0)
        return -1;
    const az_op_info *op = &az_ops[body[j].op];
    return op->result == AZ_MATRIX && op->first == AZ_VECTOR_TYPE && op->second == AZ_VECTOR_TYPE &&
                   untouched(p, program, AZ_LEARN, 0, i, matrix) &&
                   untouched(p, program, AZ_PREDICT, 0, program->count[AZ_PREDICT], matrix) &&
                   untouched(p, program, AZ_SETUP, 0, program->count[AZ_SETUP], matrix)
               ? j
               : -1;
}

/* Pairs of Learn of which the second runs first, and takes what the first made of the example
 * before: a gradient that is added one example late. The first then keeps its two vectors, and the
 * matrix is made where it is used: one pass over a matrix instead of two, and a matrix less in the
 * cache. As for `fuse`, with producer[i] > i. */
static void fuse_around(
    const az_plan *p,
    const az_program *program,
    const uint8_t *live,
    int64_t *producer,
    uint8_t *side_of,
    uint8_t *absorbed)
{
    const az_instruction *body = program->body[AZ_LEARN];
    for (int64_t i = 0; i < program->count[AZ_LEARN]; ++i) {
        const az_op_info *op = &az_ops[body[i].op];
        for (int side = 1; live[i] && producer[i] < 0 && side >= 0; --side) {
            if ((side ? op->second : op->first) != AZ_MATRIX ||
                !reads_last(&body[i], live[i], side))
                continue;
            const int64_t j = producer_before(p, program, i, side ? body[i].b : body[i].a);
            if (j >= 0 && !absorbed[j] &&
                fused_kernel[body[j].op][body[i].op][op->commutative ? 1 : side]) {
                producer[i] = j;
                side_of[i] = (uint8_t)side;
                absorbed[j] = 1;
            }
        }
    }
}

/* ---- cells --------------------------------------------------------------------------------- */

static int32_t new_cell(az_plan *p, int type)
{
    const int64_t F = p->shape.features;
    const int64_t entries = type == AZ_SCALAR ? 1 : type == AZ_VECTOR_TYPE ? F : F * F;
    p->size[p->cells] = entries * p->shape.lanes;
    p->by_predict[p->cells] = 0;
    return p->cells++;
}

static int32_t cell_of(az_plan *p, int type, int32_t number)
{
    int32_t *cell = &p->cell_of[az_address(&p->map, type, number)];
    if (*cell < 0)
        *cell = new_cell(p, type);
    return *cell;
}

static int32_t new_constant(az_plan *p, double value)
{
    const int32_t cell = new_cell(p, AZ_SCALAR);
    p->constant[p->constants] = value;
    p->constant_cell[p->constants++] = cell;
    return cell;
}

/* The entry of a vector or row that a constant index names; -1 if it lies outside. */
static int64_t entry_index(double index, int64_t features)
{
    if (index < 0.0) {
        const double coordinate = -index - 1.0;
        return coordinate < (double)features ? (int64_t)coordinate : -1;
    }
    if (!(index < 1.0))
        return -1;
    const int64_t entry = (int64_t)((double)features * index);
    return entry < features ? entry : features - 1;
}

int64_t az_entry_place(const az_instruction *in, int64_t features)
{
    int64_t place = 0;
    for (int c = 0; c < az_index_count(&az_ops[in->op]); ++c) {
        const int64_t entry = entry_index(in->constant[c], features);
        if (entry < 0)
            return -1;
        place = place * features + entry;
    }
    return place;
}

/* ---- steps --------------------------------------------------------------------------------- */

static void add_step(az_plan *p, int function, int64_t *steps, az_draft step)
{
    p->draft[(*steps)++] = step;
    p->by_predict[step.out] |= function == AZ_PREDICT;
    p->own_features |= step.out == p->features;
    p->own_label |= step.out == p->label;
}

/* A pair: operands a and b are the producer's, those in cells `kept` and the next unless it is
 * negative; c is the consumer's other one. */
static void emit_pair(
    az_plan *p,
    const az_instruction *first,
    const az_instruction *second,
    int side,
    int32_t kept,
    int function,
    int64_t *steps)
{
    const az_op_info *producer = &az_ops[first->op], *consumer = &az_ops[second->op];
    const int form = consumer->commutative ? 1 : side;
    az_draft step = {fused_kernel[first->op][second->op][form], 0, kept, kept + 1, 0, 0};
    step.out = cell_of(p, consumer->result, second->out);
    if (kept < 0) {
        step.a = cell_of(p, producer->first, first->a);
        step.b = producer->second ? cell_of(p, producer->second, first->b) : step.a;
    }
    step.c = cell_of(p, consumer->first, side ? second->a : second->b);
    add_step(p, function, steps, step);
}

/* What `emit_pair` takes at the next example. */
static void emit_kept(az_plan *p, const az_instruction *first, int32_t kept, int64_t *steps)
{
    const int32_t operand[2] = {first->a, first->b};
    for (int32_t k = 0; k < 2; ++k) {
        const int32_t from = cell_of(p, AZ_VECTOR_TYPE, operand[k]);
        add_step(p, AZ_LEARN, steps, (az_draft){AZ_COPY_VECTOR, kept + k, from, from, from, 0});
    }
}

/* One instruction; two steps where the op must not write over its operand. */
static int emit(
    az_plan *p, const az_instruction *in, int function, uint32_t random_index, int64_t *steps)
{
    const az_op_info *op = &az_ops[in->op];
    const int32_t out = cell_of(p, op->result, in->out);
    int32_t operand[2] = {out, out}, operands = 0;
    const int64_t place = op->entry ? az_entry_place(in, p->shape.features) : random_index;
    if (place < 0)
        return AZ_BAD_INDEX;
    if (op->first)
        operand[operands++] = cell_of(p, op->first, in->a);
    if (op->second)
        operand[operands++] = cell_of(p, op->second, in->b);
    for (int c = az_index_count(op); c < op->constants; ++c)
        operand[operands++] = new_constant(p, in->constant[c]);
    az_draft step = {in->op, out, operand[0], operand[1], operand[0], (uint32_t)place};
    const int collides = !op->in_place && ((op->first == op->result && step.a == out) ||
                                           (op->second == op->result && step.b == out));
    if (!collides) {
        add_step(p, function, steps, step);
        return AZ_READY;
    }
    int32_t *scratch = op->result == AZ_MATRIX ? &p->scratch_matrix : &p->scratch_vector;
    if (*scratch < 0)
        *scratch = new_cell(p, op->result);
    step.out = *scratch;
    add_step(p, function, steps, step);
    const int32_t copy = op->result == AZ_MATRIX ? AZ_COPY_MATRIX : AZ_COPY_VECTOR;
    add_step(p, function, steps, (az_draft){copy, out, *scratch, *scratch, *scratch, 0});
    return AZ_READY;
}

int az_plan_make(
    az_plan *p, const az_program *program, const az_shape *shape, const az_known *known)
{
    const int64_t instructions = program->count[0] + program->count[1] + program->count[2];
    const az_interface io = az_interface_of(shape->classes);
    p->shape = *shape;
    p->map = az_map_addresses(program);
    cutter count = {NULL, 0};
    cut_all(p, &count, instructions);
    if (!az_reserve(&p->buffer, &p->bytes, count.used))
        return AZ_NO_MEMORY;
    cutter real = {p->buffer, 0};
    cut_all(p, &real, instructions);
    if (known) {
        p->facts = known->facts;
        memcpy(p->live, known->live, (size_t)instructions);
    } else {
        p->facts = az_find_live(program, &p->map, shape->classes, p->live, p->scratch);
    }

    for (int32_t i = 0; i < p->map.count; ++i)
        p->cell_of[i] = -1;
    p->cells = p->constants = 0;
    p->scratch_vector = p->scratch_matrix = -1;
    p->own_features = 0;
    p->own_label = shape->classes > 2;
    p->features = cell_of(p, AZ_VECTOR_TYPE, 0);
    p->label = cell_of(p, io.label_type, io.label);
    p->prediction = cell_of(p, io.label_type, io.prediction);
    p->zero_scalar = new_cell(p, AZ_SCALAR);
    p->zero_vector = new_cell(p, AZ_VECTOR_TYPE);

    int64_t steps = 0, start = 0;
    uint32_t live_random = 0, dead_random = 0x80000000u;
    for (int f = 0; f < 3; ++f) {
        const az_instruction *body = program->body[f];
        const uint8_t *live = p->live + start;
        int64_t *producer = p->producer + start;
        uint8_t *absorbed = p->absorbed + start, *side_of = p->side_of + start;
        int32_t *kept = p->kept + start;
        for (int64_t i = 0; i < program->count[f]; ++i)
            kept[i] = -1;
        if (!shape->keep_dead)
            fuse(body, program->count[f], live, producer, side_of, absorbed);
        if (f == AZ_LEARN && !shape->keep_dead && !shape->addressable &&
            shape->features >= AZ_FEW_ROWS)
            fuse_around(p, program, live, producer, side_of, absorbed);
        p->first[f] = steps;
        for (int64_t i = 0; i < program->count[f]; ++i) {
            const az_op_info *op = &az_ops[body[i].op];
            if (!op->result || (!live[i] && !shape->keep_dead))
                continue;
            uint32_t random_index = 0;
            if (op->random)
                random_index = live[i] ? live_random++ : dead_random++;
            if (!shape->keep_dead && absorbed[i]) {
                if (kept[i] >= 0)
                    emit_kept(p, &body[i], kept[i], &steps);
                continue;
            }
            if (!shape->keep_dead && producer[i] >= 0) {
                const int64_t j = producer[i];
                if (j > i) {
                    kept[j] = new_cell(p, AZ_VECTOR_TYPE);
                    (void)new_cell(p, AZ_VECTOR_TYPE);
                }
                emit_pair(p, &body[j], &body[i], side_of[i], kept[j], f, &steps);
                continue;
            }
            const int status = emit(p, &body[i], f, random_index, &steps);
            if (status != AZ_READY)
                return status;
        }
        start += program->count[f];
    }
    p->first[3] = steps;
    return AZ_READY;
}
