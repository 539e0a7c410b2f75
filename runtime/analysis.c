/* Liveness: which instructions of a program can reach a prediction, and what follows from that. */
#include "program.h"

#include <string.h>

/* Instructions of a function that are looked at as bits. */
enum { SMALL = 64 };

#define AZ_INFO(                                                                               \
    number, result, first, second, constants, random, entry, in_place, commutative, symmetric, \
    adds)                                                                                      \
    [number] = {result, first,    second,      constants, random,                              \
                entry,  in_place, commutative, symmetric, adds},

const az_op_info az_ops[AZ_OP_COUNT] = {AZ_EACH_OP_INFO(AZ_INFO)};

az_interface az_interface_of(int64_t classes)
{
    if (classes > 2)
        return (az_interface){AZ_VECTOR_TYPE, 1, 2};
    return (az_interface){AZ_SCALAR, 0, 1};
}

int64_t az_suggested_classes(const az_program *program)
{
    int vector = 0;
    for (int f = 0; f < 3; ++f)
        for (int64_t i = 0; i < program->count[f]; ++i) {
            const az_instruction *in = &program->body[f][i];
            const int type = az_ops[in->op].result;
            if (type == AZ_SCALAR && in->out == 1)
                return 0;
            vector |= type == AZ_VECTOR_TYPE && in->out == 2;
        }
    return vector ? 3 : 0;
}

az_address_map az_map_addresses(const az_program *program)
{
    /* s0, s1, v0, v1, v2 always have room. */
    int32_t size[4] = {0, 2, 3, 0};
    for (int f = 0; f < 3; ++f)
        for (int64_t i = 0; i < program->count[f]; ++i) {
            const az_instruction *in = &program->body[f][i];
            const az_op_info *op = &az_ops[in->op];
            if (in->out >= size[op->result])
                size[op->result] = in->out + 1;
            if (op->first && in->a >= size[op->first])
                size[op->first] = in->a + 1;
            if (op->second && in->b >= size[op->second])
                size[op->second] = in->b + 1;
        }
    az_address_map map = {{0, 0, size[1], size[1] + size[2]}, size[1] + size[2] + size[3]};
    return map;
}

/* The addresses that an instruction has to do with, as bits: where a program has no more than 64,
 * which is the rule in a search, sets of them are one word. */
typedef struct {
    uint64_t out, a, b;
    int keeps; /* other entries of its output */
} touched;

static uint64_t bit(const az_address_map *map, int type, int32_t number)
{
    return type ? UINT64_C(1) << az_address(map, type, number) : 0;
}

static touched touched_by(const az_address_map *map, const az_instruction *in)
{
    const az_op_info *op = &az_ops[in->op];
    return (touched){
        bit(map, op->result, in->out), bit(map, op->first, in->a), bit(map, op->second, in->b),
        op->entry};
}

/* As `mark` below; returns what is needed before the function. */
static uint64_t mark_bits(
    const touched *body, int64_t count, uint8_t *live, uint64_t needed, int *grown)
{
    for (int64_t i = count; i-- > 0;) {
        const touched *t = &body[i];
        if (!(needed & t->out))
            continue;
        *grown |= !live[i];
        if (!t->keeps)
            needed &= ~t->out;
        live[i] = (uint8_t)(AZ_LIVE | (t->a & ~needed ? AZ_FIRST_DIES : 0) |
                            (t->b & ~needed ? AZ_SECOND_DIES : 0));
        needed |= t->a | t->b;
    }
    return needed;
}

/* As az_find_live, for at most SMALL instructions and 64 addresses. */
static void find_live_bits(
    const az_program *program,
    const az_address_map *map,
    uint8_t *const *live_of,
    int32_t features,
    int32_t label,
    int32_t prediction)
{
    touched body[3][SMALL];
    const uint64_t given = UINT64_C(1) << features | UINT64_C(1) << label;
    uint64_t before = 0;
    for (int f = 0; f < 3; ++f)
        for (int64_t i = 0; i < program->count[f]; ++i)
            body[f][i] = touched_by(map, &program->body[f][i]);
    for (int grown = 1; grown;) {
        grown = 0;
        uint64_t needed =
            mark_bits(body[AZ_LEARN], program->count[AZ_LEARN], live_of[AZ_LEARN], before, &grown);
        needed = (needed & ~given) | before | UINT64_C(1) << prediction;
        needed = mark_bits(
            body[AZ_PREDICT], program->count[AZ_PREDICT], live_of[AZ_PREDICT], needed, &grown);
        needed &= ~given;
        grown |= (needed & ~before) != 0;
        before |= needed;
    }
    int grown;
    mark_bits(body[AZ_SETUP], program->count[AZ_SETUP], live_of[AZ_SETUP], before, &grown);
}

/* Backward over one function: addresses needed after it become those needed before it, and
 * instructions that write a needed address are marked. Returns whether anything new was marked. */
static int mark(
    const az_program *program,
    const az_address_map *map,
    int function,
    uint8_t *live,
    uint8_t *needed)
{
    int grown = 0;
    for (int64_t i = program->count[function]; i-- > 0;) {
        const az_instruction *in = &program->body[function][i];
        const az_op_info *op = &az_ops[in->op];
        if (!op->result)
            continue;
        uint8_t *out = &needed[az_address(map, op->result, in->out)];
        if (!*out)
            continue;
        grown |= !live[i];
        if (!op->entry) /* an op that sets one entry needs the others */
            *out = 0;
        uint8_t flags = AZ_LIVE;
        if (op->first && !needed[az_address(map, op->first, in->a)])
            flags |= AZ_FIRST_DIES;
        if (op->second && !needed[az_address(map, op->second, in->b)])
            flags |= AZ_SECOND_DIES;
        live[i] = flags;
        if (op->first)
            needed[az_address(map, op->first, in->a)] = 1;
        if (op->second)
            needed[az_address(map, op->second, in->b)] = 1;
    }
    return grown;
}

/* Indices of the addresses that evaluation itself reads and writes. */
typedef struct {
    int32_t features, label, prediction;
} az_ends;

static az_ends ends_of(const az_address_map *map, int64_t classes)
{
    const az_interface io = az_interface_of(classes);
    return (az_ends){
        az_address(map, AZ_VECTOR_TYPE, 0), az_address(map, io.label_type, io.label),
        az_address(map, io.label_type, io.prediction)};
}

/* What is needed before Learn becomes what is needed after Predict: Predict may come next as well,
 * and the prediction is read there. */
static void until_predict(
    const az_ends *ends, size_t size, const uint8_t *before_predict, uint8_t *needed)
{
    needed[ends->features] = needed[ends->label] = 0;
    for (size_t i = 0; i < size; ++i)
        needed[i] |= before_predict[i];
    needed[ends->prediction] = 1;
}

/* Whether running Predict again reads what Predict wrote the time before: a live read of an
 * address that Predict writes, with no full write before it in the same call. `written` and
 * `fresh` are the two halves of scratch. */
static int is_stateless(
    const az_program *program,
    const az_address_map *map,
    const uint8_t *live,
    az_interface io,
    uint8_t *written,
    uint8_t *fresh)
{
    const az_instruction *body = program->body[AZ_PREDICT];
    const int64_t count = program->count[AZ_PREDICT];
    memset(written, 0, (size_t)map->count);
    memset(fresh, 0, (size_t)map->count);
    for (int64_t i = 0; i < count; ++i)
        if (live[i] && az_ops[body[i].op].result)
            written[az_address(map, az_ops[body[i].op].result, body[i].out)] = 1;
    /* Set anew before every call. */
    fresh[az_address(map, AZ_VECTOR_TYPE, 0)] = 1;
    fresh[az_address(map, io.label_type, io.label)] = 1;
    for (int64_t i = 0; i < count; ++i) {
        const az_op_info *op = &az_ops[body[i].op];
        if (!live[i])
            continue;
        const int32_t out = az_address(map, op->result, body[i].out);
        const int32_t a = az_address(map, op->first, body[i].a);
        const int32_t b = az_address(map, op->second, body[i].b);
        if (op->first && written[a] && !fresh[a])
            return 0;
        if (op->second && written[b] && !fresh[b])
            return 0;
        if (op->entry && !fresh[out])
            return 0;
        fresh[out] = 1;
    }
    return 1;
}

/* What follows from the live instructions; `scratch` as for az_find_live. */
static az_facts facts_of(
    const az_program *program,
    const az_address_map *map,
    int64_t classes,
    uint8_t *const *live_of,
    uint8_t *scratch)
{
    const az_interface io = az_interface_of(classes);
    const int32_t prediction = az_address(map, io.label_type, io.prediction);
    az_facts facts = {0, 0, 0, 0};
    int writes_prediction = 0;
    for (int f = 0; f < 3; ++f)
        for (int64_t i = 0; i < program->count[f]; ++i)
            if (live_of[f][i]) {
                const az_instruction *in = &program->body[f][i];
                const az_op_info *op = &az_ops[in->op];
                facts.random |= op->random;
                facts.learns |= f == AZ_LEARN;
                writes_prediction |=
                    f == AZ_PREDICT && az_address(map, op->result, in->out) == prediction;
            }
    facts.stateless =
        is_stateless(program, map, live_of[AZ_PREDICT], io, scratch, scratch + map->count);
    /* An untouched prediction goes through the sigmoid again and again. */
    facts.stateless_training = facts.stateless && (classes < 2 || writes_prediction);
    return facts;
}

/* As az_find_live, for any program; `before_predict` and `needed` have a byte for each address.
 * Leaves in `before_predict` what is needed there. */
static void find_live_bytes(
    const az_program *program,
    const az_address_map *map,
    uint8_t *const *live_of,
    const az_ends *ends,
    uint8_t *before_predict,
    uint8_t *needed)
{
    const size_t size = (size_t)map->count;
    memset(before_predict, 0, size);
    /* After Predict come Learn and then Predict again, or (in validation) Predict at once; the
     * features and the label are set anew before each call. Needs only grow, so this ends. */
    for (int grown = 1; grown;) {
        grown = 0;
        memcpy(needed, before_predict, size);
        grown |= mark(program, map, AZ_LEARN, live_of[AZ_LEARN], needed);
        until_predict(ends, size, before_predict, needed);
        grown |= mark(program, map, AZ_PREDICT, live_of[AZ_PREDICT], needed);
        needed[ends->features] = needed[ends->label] = 0;
        for (size_t i = 0; i < size; ++i)
            if (needed[i] && !before_predict[i])
                before_predict[i] = grown = 1;
    }
    memcpy(needed, before_predict, size);
    mark(program, map, AZ_SETUP, live_of[AZ_SETUP], needed);
}

static void split(const az_program *program, uint8_t *live, uint8_t *live_of[3])
{
    live_of[AZ_SETUP] = live;
    live_of[AZ_PREDICT] = live + program->count[AZ_SETUP];
    live_of[AZ_LEARN] = live_of[AZ_PREDICT] + program->count[AZ_PREDICT];
    memset(live, 0, (size_t)(program->count[0] + program->count[1] + program->count[2]));
}

az_facts az_find_live(
    const az_program *program,
    const az_address_map *map,
    int64_t classes,
    uint8_t *live,
    uint8_t *scratch)
{
    const az_ends ends = ends_of(map, classes);
    uint8_t *live_of[3];
    split(program, live, live_of);
    if (map->count <= 64 && program->count[0] <= SMALL && program->count[1] <= SMALL &&
        program->count[2] <= SMALL)
        find_live_bits(program, map, live_of, ends.features, ends.label, ends.prediction);
    else
        find_live_bytes(program, map, live_of, &ends, scratch, scratch + map->count);
    return facts_of(program, map, classes, live_of, scratch);
}

void az_find_needed(
    const az_program *program,
    const az_address_map *map,
    int64_t classes,
    uint8_t *live,
    uint8_t *needed[AZ_MOMENTS])
{
    const size_t size = (size_t)map->count;
    const az_ends ends = ends_of(map, classes);
    uint8_t *live_of[3];
    split(program, live, live_of);
    /* Ends with Setup, so that its needs are what the working array holds. */
    find_live_bytes(program, map, live_of, &ends, needed[AZ_BETWEEN], needed[AZ_BEFORE_SETUP]);
    memcpy(needed[AZ_AFTER_PREDICT], needed[AZ_BETWEEN], size);
    mark(program, map, AZ_LEARN, live_of[AZ_LEARN], needed[AZ_AFTER_PREDICT]);
    until_predict(&ends, size, needed[AZ_BETWEEN], needed[AZ_AFTER_PREDICT]);
}
