/* Random programs and mutations. */
#include "space.h"

#include <string.h>

#define AZ_DRAWN(number, place, low, high, mutation) [number][place] = {low, high, mutation},

typedef struct {
    double low, high;
    int mutation;
} kind;

static const kind kinds[AZ_OP_COUNT][3] = {AZ_EACH_CONSTANT(AZ_DRAWN)};

/* How often a constant changes its sign rather than its size (reference, `kSignFlipProb`). */
#define AZ_FLIP 0.1

void az_space_finish(az_space *s)
{
    s->capacity = 0;
    for (int f = 0; f < 3; ++f) {
        s->start[f] = s->capacity;
        s->capacity += s->most[f];
    }
}

void az_copy_candidate(const az_space *s, az_candidate *to, const az_candidate *from)
{
    for (int f = 0; f < 3; ++f) {
        to->count[f] = from->count[f];
        memcpy(
            to->code + s->start[f], from->code + s->start[f],
            (size_t)from->count[f] * sizeof *to->code);
    }
}

/* ---- instructions --------------------------------------------------------------------------- */

static int32_t random_input(const az_space *s, az_draws *d, int type)
{
    return az_below(d, s->addresses[type]);
}

/* Never s0 or v0, which evaluation itself writes. */
static int32_t random_output(const az_space *s, az_draws *d, int type)
{
    const int32_t kept = type == AZ_MATRIX ? 0 : 1;
    return kept + az_below(d, s->addresses[type] - kept);
}

static double random_constant(az_draws *d, int op, int place)
{
    const kind *k = &kinds[op][place];
    return k->low + (k->high - k->low) * az_uniform(d);
}

static void random_instruction(const az_space *s, az_draws *d, int f, az_instruction *in)
{
    memset(in, 0, sizeof *in);
    in->op = s->ops[f][az_below(d, s->op_count[f])];
    const az_op_info *op = &az_ops[in->op];
    if (op->first)
        in->a = random_input(s, d, op->first);
    if (op->second)
        in->b = random_input(s, d, op->second);
    if (op->result)
        in->out = random_output(s, d, op->result);
    for (int c = 0; c < op->constants; ++c)
        in->constant[c] = random_constant(d, in->op, c);
}

static void alter_constant(az_draws *d, az_instruction *in, int place)
{
    const kind *k = &kinds[in->op][place];
    double *value = &in->constant[place];
    if (k->mutation == AZ_REDRAW) {
        *value = random_constant(d, in->op, place);
        return;
    }
    if (k->mutation != AZ_SCALE_POSITIVE && az_uniform(d) < AZ_FLIP)
        *value = -*value;
    else
        *value *= az_exp(az_gauss(d));
    if (k->mutation == AZ_SCALE_SORTED && in->constant[0] > in->constant[1]) {
        const double low = in->constant[1];
        in->constant[1] = in->constant[0];
        in->constant[0] = low;
    }
}

/* One of inputs, output and constants, all equally likely. */
static void alter_parameter(const az_space *s, az_draws *d, az_instruction *in)
{
    const az_op_info *op = &az_ops[in->op];
    const int inputs = (op->first != 0) + (op->second != 0), outputs = op->result != 0;
    const int slots = inputs + outputs + op->constants;
    if (!slots)
        return;
    const int slot = az_below(d, slots);
    if (slot < inputs)
        *(slot ? &in->b : &in->a) = random_input(s, d, slot ? op->second : op->first);
    else if (slot < inputs + outputs)
        in->out = random_output(s, d, op->result);
    else
        alter_constant(d, in, slot - inputs - outputs);
}

/* ---- functions ------------------------------------------------------------------------------ */

static void random_function(const az_space *s, az_draws *d, az_candidate *c, int f)
{
    for (int32_t i = 0; i < c->count[f]; ++i)
        random_instruction(s, d, f, &c->code[s->start[f] + i]);
}

static void insert(const az_space *s, az_draws *d, az_candidate *c, int f)
{
    if (c->count[f] >= s->most[f])
        return;
    const int32_t place = az_below(d, c->count[f] + 1);
    az_instruction *at = c->code + s->start[f] + place;
    memmove(at + 1, at, (size_t)(c->count[f] - place) * sizeof *at);
    random_instruction(s, d, f, at);
    ++c->count[f];
}

static void take_out(const az_space *s, az_draws *d, az_candidate *c, int f)
{
    if (c->count[f] <= s->least[f])
        return;
    const int32_t place = az_below(d, c->count[f]);
    az_instruction *at = c->code + s->start[f] + place;
    memmove(at, at + 1, (size_t)(c->count[f] - place - 1) * sizeof *at);
    --c->count[f];
}

void az_random_program(const az_space *s, az_draws *d, az_candidate *to)
{
    for (int f = 0; f < 3; ++f)
        if (s->op_count[f]) {
            to->count[f] = s->first_size[f];
            random_function(s, d, to, f);
        }
}

void az_empty_program(const az_space *s, az_candidate *to)
{
    for (int f = 0; f < 3; ++f) {
        to->count[f] = s->first_size[f];
        memset(to->code + s->start[f], 0, (size_t)to->count[f] * sizeof *to->code);
    }
}

int az_mutate(const az_space *s, az_draws *d, az_candidate *c)
{
    const int which = s->mutation[az_below(d, s->mutations)];
    if (which == AZ_IDENTITY)
        return which;
    if (which == AZ_RANDOMIZE_PROGRAM) {
        for (int f = 0; f < 3; ++f)
            if (s->op_count[f])
                random_function(s, d, c, f);
        return which;
    }
    int open[3], functions = 0;
    for (int f = 0; f < 3; ++f)
        if (s->op_count[f])
            open[functions++] = f;
    const int f = open[az_below(d, functions)];
    az_instruction *body = c->code + s->start[f];
    switch (which) {
    case AZ_ALTER_PARAMETER:
        if (c->count[f])
            alter_parameter(s, d, &body[az_below(d, c->count[f])]);
        break;
    case AZ_RANDOMIZE_INSTRUCTION:
        if (c->count[f])
            random_instruction(s, d, f, &body[az_below(d, c->count[f])]);
        break;
    case AZ_RANDOMIZE_FUNCTION:
        random_function(s, d, c, f);
        break;
    case AZ_INSERT:
        insert(s, d, c, f);
        break;
    case AZ_REMOVE:
        take_out(s, d, c, f);
        break;
    case AZ_TRADE:
        insert(s, d, c, f);
        take_out(s, d, c, f);
        break;
    }
    return which;
}
