/* Canonical forms. */
#include "canonical.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD = 4 * sizeof(int64_t) };

int az_canonical_new(az_canonical *c, int64_t instructions, int64_t addresses)
{
    size_t room = HEAD + (size_t)instructions * sizeof(az_instruction);
    room = ((room < AZ_HASH_LEAST ? AZ_HASH_LEAST : room) + 63) & ~(size_t)63;
    const size_t names = ((size_t)addresses * sizeof *c->names + 63) & ~(size_t)63;
    memset(c, 0, sizeof *c);
    c->bytes = malloc(2 * room + names + 2 * (size_t)instructions + 2 * (size_t)addresses + 1);
    if (!c->bytes)
        return 0;
    c->bare = c->bytes + room;
    c->names = (int32_t *)(c->bytes + 2 * room);
    c->live = c->bytes + 2 * room + names;
    c->kept = c->live + instructions;
    c->scratch = c->kept + instructions;
    return 1;
}

void az_canonical_free(az_canonical *c)
{
    free(c->bytes);
    memset(c, 0, sizeof *c);
}

/* The next free number of each type. */
typedef struct {
    int32_t *names;
    const az_address_map *map;
    int32_t next[4];
} namer;

static int32_t name_of(const namer *n, int type, int32_t number)
{
    return n->names[az_address(n->map, type, number)];
}

static void name(namer *n, int type, int32_t number)
{
    int32_t *to = &n->names[az_address(n->map, type, number)];
    if (*to < 0)
        *to = n->next[type]++;
}

/* What is never written holds zeros and shares one name per type, the next after all others. */
static int32_t read_name(const namer *n, int type, int32_t number)
{
    const int32_t known = name_of(n, type, number);
    return known < 0 ? n->next[type] : known;
}

void az_canonical_make(
    az_canonical *c, const az_program *program, const az_address_map *map, int64_t classes)
{
    c->known.facts = az_find_live(program, map, classes, c->live, c->scratch);
    const az_interface io = az_interface_of(classes);
    namer n = {c->names, map, {0, 0, 1, 0}};
    memset(c->names, 0xff, (size_t)map->count * sizeof *c->names);
    c->names[az_address(map, AZ_VECTOR_TYPE, 0)] = 0;
    c->names[az_address(map, io.label_type, io.label)] = io.label;
    c->names[az_address(map, io.label_type, io.prediction)] = io.prediction;
    n.next[io.label_type] = io.prediction + 1;

    const uint8_t *live = c->live;
    for (int f = 0; f < 3; ++f)
        for (int64_t i = 0; i < program->count[f]; ++i)
            if (*live++) {
                const az_instruction *in = &program->body[f][i];
                name(&n, az_ops[in->op].result, in->out);
            }
    memcpy(c->zero, n.next, sizeof c->zero);
    az_instruction *to = (az_instruction *)(c->bytes + HEAD);
    uint8_t *kept = c->kept;
    c->known.live = kept;
    int64_t head[4] = {AZ_TABLE_VERSION};
    live = c->live;
    for (int f = 0; f < 3; ++f) {
        c->program.body[f] = to;
        for (int64_t i = 0; i < program->count[f]; ++i) {
            uint8_t flags = *live++;
            if (!flags)
                continue;
            const az_instruction *in = &program->body[f][i];
            const az_op_info *op = &az_ops[in->op];
            *to = *in;
            to->out = name_of(&n, op->result, in->out);
            to->a = op->first ? read_name(&n, op->first, in->a) : 0;
            to->b = op->second ? read_name(&n, op->second, in->b) : 0;
            if (op->commutative && to->a > to->b) {
                const int32_t a = to->a;
                to->a = to->b;
                to->b = a;
                flags = (uint8_t)((flags & AZ_LIVE) | (flags & AZ_FIRST_DIES ? AZ_SECOND_DIES : 0) |
                                  (flags & AZ_SECOND_DIES ? AZ_FIRST_DIES : 0));
            }
            *kept++ = flags;
            ++to;
        }
        c->program.count[f] = to - c->program.body[f];
        head[1 + f] = c->program.count[f] * (int64_t)sizeof *to;
    }
    memcpy(c->bytes, head, sizeof head);
    c->length = (size_t)((uint8_t *)to - c->bytes);
    if (c->length < AZ_HASH_LEAST) {
        memset(to, 0, AZ_HASH_LEAST - c->length);
        c->length = AZ_HASH_LEAST;
    }
}

az_hash az_canonical_hash(const az_canonical *c)
{
    return az_hash_of(c->bytes, c->length);
}

uint64_t az_structure_hash(az_canonical *c)
{
    az_instruction *in = (az_instruction *)(c->bare + HEAD);
    memcpy(c->bare, c->bytes, c->length);
    const int64_t count = c->program.count[0] + c->program.count[1] + c->program.count[2];
    for (int64_t i = 0; i < count; ++i)
        memset(in[i].constant, 0, sizeof in[i].constant);
    return az_hash_of(c->bare, c->length).low;
}

/* ---- dependence ----------------------------------------------------------------------------- */

enum { OF_FEATURES = 1, OF_LABEL = 2 };

static void flow(const az_program *program, const az_address_map *map, int function, uint8_t *of)
{
    const az_instruction *in = program->body[function];
    for (int64_t i = 0; i < program->count[function]; ++i, ++in) {
        const az_op_info *op = &az_ops[in->op];
        if (!op->result)
            continue;
        uint8_t *out = &of[az_address(map, op->result, in->out)], result = 0;
        if (op->first)
            result |= of[az_address(map, op->first, in->a)];
        if (op->second)
            result |= of[az_address(map, op->second, in->b)];
        *out = op->entry ? *out | result : result;
    }
}

/* What is left for later calls; returns whether it is more than before. Features of an earlier
 * example are not those that the prediction is asked for. */
static int carry(const uint8_t *of, uint8_t *before, size_t size)
{
    int grown = 0;
    for (size_t i = 0; i < size; ++i) {
        const uint8_t more = (of[i] & OF_LABEL) & ~before[i];
        grown |= more;
        before[i] |= more;
    }
    return grown;
}

int az_canonical_depends(az_canonical *c, const az_address_map *map, int64_t classes)
{
    const az_interface io = az_interface_of(classes);
    const int32_t features = az_address(map, AZ_VECTOR_TYPE, 0);
    const int32_t label = az_address(map, io.label_type, io.label);
    const int32_t prediction = az_address(map, io.label_type, io.prediction);
    const size_t size = (size_t)map->count;
    uint8_t *of = c->scratch, *before = c->scratch + size;
    memset(before, 0, size);
    for (;;) { /* `before` only grows, so this ends */
        int grown = 0;
        memcpy(of, before, size);
        of[features] = OF_FEATURES;
        of[label] = 0;
        flow(&c->program, map, AZ_PREDICT, of);
        if (!(of[prediction] & OF_FEATURES))
            return 0;
        if (of[prediction] & OF_LABEL)
            return 1;
        grown |= carry(of, before, size); /* in validation Predict comes after Predict */
        of[features] = OF_FEATURES;
        of[label] = OF_LABEL;
        flow(&c->program, map, AZ_LEARN, of);
        grown |= carry(of, before, size);
        if (!grown)
            return 0;
    }
}
