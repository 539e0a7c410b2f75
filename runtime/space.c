/* Random programs and mutations. */
#include "flow.h"

#include <string.h>

#define AZ_DRAWN(number, which, low, high, mutation) [number][which] = {low, high, mutation},

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
    const az_address_map map = az_space_map(s);
    memcpy(s->offset, map.offset, sizeof s->offset);
    const az_interface io = az_interface_of(s->classes);
    if (map.count > AZ_SET_SIZE)
        return;
    for (int type = AZ_SCALAR; type <= AZ_MATRIX; ++type)
        for (int32_t i = 0; i < s->addresses[type]; ++i)
            s->of_type[type] |= (az_set)1 << az_address(&map, type, i);
    s->features = az_bit(s, AZ_VECTOR_TYPE, 0);
    s->label = az_bit(s, io.label_type, io.label);
    s->prediction = az_bit(s, io.label_type, io.prediction);
}

az_address_map az_space_map(const az_space *s)
{
    const int32_t scalars = s->addresses[AZ_SCALAR], vectors = s->addresses[AZ_VECTOR_TYPE];
    return (az_address_map){
        {0, 0, scalars, scalars + vectors}, scalars + vectors + s->addresses[AZ_MATRIX]};
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

static double random_constant(const az_space *s, az_draws *d, int op, int which)
{
    const kind *k = &kinds[op][which];
    if (s->decades > 0.0 && k->mutation == AZ_SCALE && !az_ops[op].random) {
        const double size = az_exp(-2.302585092994045684 * s->decades * az_uniform(d));
        if (s->near_one > 0.0 && az_uniform(d) < s->near_one)
            return 1.0 - size;
        return az_below(d, 2) ? size : -size;
    }
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
    az_draw_constants(s, d, in);
}

void az_draw_constants(const az_space *s, az_draws *d, az_instruction *in)
{
    for (int c = 0; c < az_ops[in->op].constants; ++c)
        in->constant[c] = random_constant(s, d, in->op, c);
}

/* Of such a value it is the distance to 1 that has an order of magnitude: a rate of decay. */
static int is_near_one(const az_space *s, double value)
{
    return s->near_one > 0.0 && value > 0.5 && value < 1.0;
}

void az_scale_constant(const az_space *s, az_draws *d, az_instruction *in, int which)
{
    const kind *k = &kinds[in->op][which];
    double *value = &in->constant[which];
    if (k->mutation == AZ_REDRAW) {
        *value = random_constant(s, d, in->op, which);
        return;
    }
    if (is_near_one(s, *value) && k->mutation == AZ_SCALE && az_below(d, 2))
        *value = 1.0 - (1.0 - *value) * az_exp(az_gauss(d));
    else if (k->mutation != AZ_SCALE_POSITIVE && az_uniform(d) < AZ_FLIP)
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
static void alter_one(const az_space *s, az_draws *d, az_instruction *in)
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
        az_scale_constant(s, d, in, slot - inputs - outputs);
}

/* ---- functions ------------------------------------------------------------------------------ */

static void draw_function(const az_space *s, az_draws *d, az_candidate *c, int f)
{
    for (int32_t i = 0; i < c->count[f]; ++i)
        random_instruction(s, d, f, &c->code[s->start[f] + i]);
}

static void insert_into(const az_space *s, az_draws *d, az_candidate *c, int f)
{
    if (c->count[f] >= s->most[f])
        return;
    const int32_t position = az_below(d, c->count[f] + 1);
    az_instruction *at = c->code + s->start[f] + position;
    memmove(at + 1, at, (size_t)(c->count[f] - position) * sizeof *at);
    random_instruction(s, d, f, at);
    ++c->count[f];
}

static void take_out_of(const az_space *s, az_draws *d, az_candidate *c, int f)
{
    if (c->count[f] <= s->least[f])
        return;
    const int32_t position = az_below(d, c->count[f]);
    az_instruction *at = c->code + s->start[f] + position;
    memmove(at, at + 1, (size_t)(c->count[f] - position - 1) * sizeof *at);
    --c->count[f];
}

void az_random_program(const az_space *s, az_draws *d, az_candidate *to)
{
    for (int f = 0; f < 3; ++f)
        if (s->op_count[f]) {
            to->count[f] = s->first_size[f];
            draw_function(s, d, to, f);
        }
}

void az_empty_program(const az_space *s, az_candidate *to)
{
    for (int f = 0; f < 3; ++f) {
        to->count[f] = s->first_size[f];
        memset(to->code + s->start[f], 0, (size_t)to->count[f] * sizeof *to->code);
    }
}

/* ---- mutations ------------------------------------------------------------------------------ */

/* One of the functions that have ops. */
static int some_function(const az_space *s, az_draws *d)
{
    int open[3], functions = 0;
    for (int f = 0; f < 3; ++f)
        if (s->op_count[f])
            open[functions++] = f;
    return open[az_below(d, functions)];
}

/* One of a function's instructions; NULL: it has none. */
static az_instruction *some_instruction(const az_space *s, az_draws *d, az_candidate *c, int f)
{
    return c->count[f] ? c->code + s->start[f] + az_below(d, c->count[f]) : NULL;
}

#define MUTATION(name) static AZ_MUTATION(name)

MUTATION(alter_parameter)
{
    (void)context;
    az_instruction *in = some_instruction(s, d, c, some_function(s, d));
    if (in)
        alter_one(s, d, in);
}

MUTATION(randomize_instruction)
{
    (void)context;
    const int f = some_function(s, d);
    az_instruction *in = some_instruction(s, d, c, f);
    if (in)
        random_instruction(s, d, f, in);
}

MUTATION(randomize_function)
{
    (void)context;
    draw_function(s, d, c, some_function(s, d));
}

MUTATION(randomize_program)
{
    (void)context;
    for (int f = 0; f < 3; ++f)
        if (s->op_count[f])
            draw_function(s, d, c, f);
}

MUTATION(insert)
{
    (void)context;
    insert_into(s, d, c, some_function(s, d));
}

MUTATION(take_out)
{
    (void)context;
    take_out_of(s, d, c, some_function(s, d));
}

MUTATION(trade)
{
    (void)context;
    const int f = some_function(s, d);
    insert_into(s, d, c, f);
    take_out_of(s, d, c, f);
}

MUTATION(leave)
{
    (void)s, (void)d, (void)context, (void)c;
}

#define INFO(number, name, function, resizes) [number] = {name, resizes, function},
const az_mutation_info az_mutations[AZ_MUTATIONS] = {AZ_EACH_MUTATION(INFO)};

#define NAME(number, name, function, resizes) [number] = name,
const char *const az_origins[AZ_ORIGINS] = {
    AZ_EACH_MUTATION(NAME)[AZ_FROM_START] = "start", [AZ_FROM_RANDOM] = "random",
    [AZ_FROM_SEED] = "seed", [AZ_FROM_BEST] = "best", [AZ_FROM_MIGRANT] = "migrant"};

int az_mutate(const az_space *s, az_draws *d, const az_context *context, az_candidate *c)
{
    for (;;) {
        const int which = s->mutation[az_below(d, s->mutations)];
        az_mutations[which].mutate(s, d, context, c);
        if (!(s->repeat > 0.0 && az_uniform(d) < s->repeat))
            return which;
    }
}
