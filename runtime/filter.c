/* The strict filter, and forms of predictions. */
#include "filter.h"

#include <string.h>

enum { OF_FEATURES = 1, OF_LABEL = 2, OF_PREDICTION = 4, OF_SETUP = 8 };

/* What the value in an address depends on: values before the step, and what a step is given. */
typedef struct {
    az_set from;
    uint8_t given;
} source;

static int index_of(const az_space *s, int type, int32_t number)
{
    return s->offset[type] + number;
}

static void flow(const az_space *s, const az_instruction *body, int64_t count, source *of)
{
    for (int64_t i = 0; i < count; ++i) {
        const az_instruction *in = &body[i];
        const az_op_info *op = &az_ops[in->op];
        if (!op->result)
            continue;
        source sum = {0, op->first ? 0 : OF_SETUP};
        az_set read = az_read_by(s, in);
        for (; read; read &= read - 1) {
            const source *one = &of[__builtin_ctzll(read)];
            sum.from |= one->from;
            sum.given |= one->given;
        }
        of[index_of(s, op->result, in->out)] = sum;
    }
}

/* All that address `state` comes to depend on, over any number of steps. */
static source over_steps(const source *of, int state)
{
    source sum = of[state];
    for (az_set seen = 0; sum.from & ~seen;) {
        const int next = __builtin_ctzll(sum.from & ~seen);
        seen |= (az_set)1 << next;
        sum.from |= of[next].from;
        sum.given |= of[next].given;
    }
    return sum;
}

int az_lacks(const az_space *s, const az_program *p)
{
    source of[64];
    const int addresses = index_of(s, AZ_MATRIX, s->addresses[AZ_MATRIX]);
    for (int i = 0; i < addresses; ++i)
        of[i] = (source){(az_set)1 << i, 0};
    source *features = &of[__builtin_ctzll(s->features)], *label = &of[__builtin_ctzll(s->label)];
    *features = (source){0, OF_FEATURES};
    *label = (source){0, 0};
    az_set read = 0, written = 0;
    for (int64_t i = 0; i < p->count[AZ_PREDICT]; ++i) {
        const az_instruction *in = &p->body[AZ_PREDICT][i];
        read |= az_read_by(s, in) & ~written;
        written |= az_written_by(s, in);
        flow(s, in, 1, of);
        if (az_ops[in->op].result &&
            !(of[index_of(s, az_ops[in->op].result, in->out)].given & OF_FEATURES))
            return AZ_LACKS_STATES;
    }
    read &= ~(s->features | s->label);
    source *prediction = &of[__builtin_ctzll(s->prediction)];
    if (!(prediction->given & OF_FEATURES) || !read)
        return AZ_LACKS_STATES;
    const az_set updated = az_written_in(s, p->body[AZ_LEARN], p->count[AZ_LEARN]);
    if (!(read & updated)) /* no label reaches what Predict reads */
        return AZ_LACKS_UPDATES;
    prediction->given |= OF_PREDICTION;
    /* The same, less what Predict computes from other states: a state learns if its old value
     * itself is in the new one, not if predictions that were made from it are. */
    source own[64];
    memcpy(own, of, sizeof own);
    for (az_set left = written; left; left &= left - 1)
        own[__builtin_ctzll(left)].from &= left & -left;
    own[features - of] = *features = (source){0, OF_FEATURES};
    own[label - of] = *label = (source){0, OF_LABEL};
    flow(s, p->body[AZ_LEARN], p->count[AZ_LEARN], of);
    flow(s, p->body[AZ_LEARN], p->count[AZ_LEARN], own);
    own[features - of] = own[label - of] = *features = *label = (source){0, 0}; /* given anew */
    read &= written | updated;
    const uint8_t learned = OF_LABEL | OF_PREDICTION;
    for (; read; read &= read - 1) {
        const int state = __builtin_ctzll(read);
        if (!(over_steps(own, state).from >> state & 1) ||
            (over_steps(of, state).given & learned) != learned)
            return AZ_LACKS_KNOWLEDGE;
    }
    return AZ_LACKS_NOTHING;
}

/* What is known of addresses before a program is run. */
typedef struct {
    uint8_t before[64]; /* what their values depend on when Predict begins, over all steps */
    az_set written;     /* by Predict or Learn */
} leaves;

static leaves leaves_of(const az_space *s, const az_program *p)
{
    leaves known = {{0}, 0};
    const int addresses = index_of(s, AZ_MATRIX, s->addresses[AZ_MATRIX]);
    source of[64];
    memset(of, 0, sizeof of);
    flow(s, p->body[AZ_SETUP], p->count[AZ_SETUP], of);
    for (int i = 0; i < addresses; ++i)
        known.before[i] = of[i].given;
    const int features = __builtin_ctzll(s->features), label = __builtin_ctzll(s->label);
    for (int grown = 1; grown;) {
        grown = 0;
        for (int i = 0; i < addresses; ++i)
            of[i] = (source){0, known.before[i]};
        of[features].given = OF_FEATURES;
        of[label].given = 0;
        flow(s, p->body[AZ_PREDICT], p->count[AZ_PREDICT], of);
        of[features].given = OF_FEATURES;
        of[label].given = OF_LABEL;
        flow(s, p->body[AZ_LEARN], p->count[AZ_LEARN], of);
        for (int i = 0; i < addresses; ++i) {
            const uint8_t more = of[i].given & ~known.before[i];
            grown |= more;
            known.before[i] |= more;
        }
    }
    for (int f = AZ_PREDICT; f <= AZ_LEARN; ++f)
        known.written |= az_written_in(s, p->body[f], p->count[f]);
    return known;
}

/* What an address is for Predict, where it reads what was there before. */
static int leaf_at(const az_space *s, const leaves *known, int address)
{
    const az_set bit = (az_set)1 << address;
    const uint8_t before = known->before[address];
    if (bit & s->features)
        return AZ_LEAF_FEATURES;
    if (bit & s->label)
        return AZ_LEAF_ZERO;
    if (!(known->written & bit))
        return before ? AZ_LEAF_FIXED : AZ_LEAF_ZERO;
    return before & OF_LABEL ? AZ_LEAF_LEARNED : AZ_LEAF_WRITTEN;
}

uint64_t az_form(const az_space *s, const az_program *p)
{
    const leaves of = leaves_of(s, p);
    uint64_t hash[64];
    az_set known = 0;
    for (int64_t i = 0; i < p->count[AZ_PREDICT]; ++i) {
        const az_instruction *in = &p->body[AZ_PREDICT][i];
        const az_op_info *op = &az_ops[in->op];
        if (!op->result)
            continue;
        uint64_t operand[2] = {0, 0};
        for (int side = 0; side < 2; ++side) {
            const int type = side ? op->second : op->first;
            if (!type)
                continue;
            const int at = index_of(s, type, side ? in->b : in->a);
            const az_set bit = (az_set)1 << at;
            if (!(known & bit)) {
                hash[at] = az_mix((uint64_t)(leaf_at(s, &of, at) * 1000 + type * 100));
                known |= bit;
            }
            operand[side] = hash[at];
        }
        if (op->symmetric && operand[0] > operand[1]) {
            const uint64_t first = operand[0];
            operand[0] = operand[1];
            operand[1] = first;
        }
        const int out = index_of(s, op->result, in->out);
        hash[out] = az_mix(operand[0] * 3 + az_mix(operand[1] * 5 + (uint64_t)in->op));
        known |= (az_set)1 << out;
    }
    return known & s->prediction ? hash[__builtin_ctzll(s->prediction)] | 1 : 0;
}

/* How many of a set are learned: none, one, or two for more. */
static uint64_t learned_among(const az_space *s, const leaves *of, az_set among)
{
    uint64_t count = 0;
    for (; among && count < 2; among &= among - 1)
        count += leaf_at(s, of, __builtin_ctzll(among)) == AZ_LEAF_LEARNED;
    return count;
}

uint64_t az_ingredients(const az_space *s, const az_program *p)
{
    const leaves of = leaves_of(s, p);
    az_set wanted = s->prediction;
    uint64_t products = 0, noise = 0;
    for (int64_t i = p->count[AZ_PREDICT] - 1; i >= 0; --i) {
        const az_instruction *in = &p->body[AZ_PREDICT][i];
        const az_op_info *op = &az_ops[in->op];
        const az_set out = az_written_by(s, in);
        if (!(out & wanted))
            continue;
        wanted = (wanted & ~out) | az_read_by(s, in);
        products |= op->first == AZ_MATRIX && op->second != AZ_NO_TYPE;
        noise |= op->random;
    }
    const uint64_t vectors = learned_among(s, &of, wanted & s->of_type[AZ_VECTOR_TYPE]);
    const uint64_t matrices = learned_among(s, &of, wanted & s->of_type[AZ_MATRIX]);
    return az_mix(products + 2 * noise + 4 * (vectors + 64 * matrices)) | 1;
}
