/* Data flow, and mutations that know it. */
#include "flow.h"

#include <string.h>

/* An expression is a terminal with this probability, and at a depth of at most DEPTH. */
#define TERMINAL 0.5
#define DEPTH 2
/* A terminal is a new constant with this probability, by type. */
static const double fresh[4] = {0.0, 0.3, 0.2, 0.2};
/* An inserted instruction updates the value that it stands for. */
#define OWN 0.7
/* An operand is replaced by another one rather than by an expression. */
#define REPLACE 0.25

enum { MOST_MADE = 12 };

/* ---- sets ---------------------------------------------------------------------------------- */

/* What is needed before instructions from `position` on, if `needed` is after the last. */
static az_set back(const az_space *s, const az_candidate *c, int f, int32_t position, az_set needed)
{
    const az_instruction *body = c->code + s->start[f];
    for (int32_t i = c->count[f]; i-- > position;) {
        const az_set out = az_written_by(s, &body[i]);
        if (needed & out)
            needed = (needed & ~out) | az_read_by(s, &body[i]);
    }
    return needed;
}

az_needs az_find_needs(const az_space *s, const az_candidate *c)
{
    const az_set given = s->features | s->label;
    /* What is needed when Predict ends, which only grows. */
    az_set after = s->prediction;
    for (;;) {
        const az_set predict = back(s, c, AZ_PREDICT, 0, after) & ~given;
        const az_set learn = back(s, c, AZ_LEARN, 0, predict) & ~given;
        if (!((predict | learn) & ~after))
            return (az_needs){.predict = predict, .learn = learn};
        after |= predict | learn;
    }
}

static az_set needed_after(const az_space *s, const az_needs *n, int f)
{
    return f == AZ_PREDICT ? s->prediction | n->learn | n->predict : n->predict;
}

az_set az_needed_at(
    const az_space *s, const az_candidate *c, const az_needs *n, int f, int32_t position)
{
    return back(s, c, f, position, needed_after(s, n, f));
}

/* Addresses that a function reads before it writes them. */
static az_set read_first(const az_space *s, const az_candidate *c, int f)
{
    const az_instruction *body = c->code + s->start[f];
    az_set read = 0, written = 0;
    for (int32_t i = 0; i < c->count[f]; ++i) {
        read |= az_read_by(s, &body[i]) & ~written;
        written |= az_written_by(s, &body[i]);
    }
    return read;
}

void az_drop_dead(const az_space *s, az_candidate *c)
{
    const az_needs n = az_find_needs(s, c);
    for (int f = 0; f < 3; ++f) {
        if (!s->op_count[f])
            continue;
        az_instruction *body = c->code + s->start[f];
        az_set needed = needed_after(s, &n, f);
        int32_t kept = c->count[f]; /* those kept lie from here on */
        for (int32_t i = c->count[f]; i-- > 0;) {
            const az_set out = az_written_by(s, &body[i]);
            if (!(needed & out))
                continue;
            needed = (needed & ~out) | az_read_by(s, &body[i]);
            if (--kept != i)
                body[kept] = body[i];
        }
        c->count[f] -= kept;
        if (kept)
            memmove(body, body + kept, (size_t)c->count[f] * sizeof *body);
    }
}

static az_set written_by(const az_space *s, const az_candidate *c, int f)
{
    return az_written_in(s, c->code + s->start[f], c->count[f]);
}

/* ---- expressions --------------------------------------------------------------------------- */

/* Instructions in the making, to be put into one function. */
typedef struct {
    const az_space *space;
    az_draws *draws;
    az_candidate *to;
    int function;
    az_set terms;   /* what they may read */
    az_set busy;    /* what they must not write, since it is needed behind them */
    az_set written; /* by the program */
    az_instruction made[MOST_MADE];
    int count;
} builder;

static int32_t number_of(const az_space *s, int type, az_set one)
{
    return __builtin_ctzll(one) - s->offset[type];
}

/* How many a set has; without an instruction for it, __builtin_popcountll is a call. */
static int32_t size_of(az_set set)
{
    set -= set >> 1 & UINT64_C(0x5555555555555555);
    set = (set & UINT64_C(0x3333333333333333)) + (set >> 2 & UINT64_C(0x3333333333333333));
    set = (set + (set >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (int32_t)(set * UINT64_C(0x0101010101010101) >> 56);
}

/* One of a set, by its number among addresses of its type; -1 if there is none. */
static int32_t pick(builder *b, int type, az_set among)
{
    among &= b->space->of_type[type];
    int32_t left = size_of(among);
    if (!left)
        return -1;
    for (left = az_below(b->draws, left); left; --left)
        among &= among - 1;
    return number_of(b->space, type, among & -among);
}

static int type_of(const az_space *s, az_set one)
{
    for (int type = AZ_SCALAR; type < AZ_MATRIX; ++type)
        if (s->of_type[type] & one)
            return type;
    return AZ_MATRIX;
}

/* One of a set of any types. */
static az_set pick_any(az_draws *d, az_set among)
{
    int32_t left = size_of(among);
    if (!left)
        return 0;
    for (left = az_below(d, left); left; --left)
        among &= among - 1;
    return among & -among;
}

static int takes(const az_op_info *op, int type)
{
    return op->first == type || op->second == type;
}

/* An op of the function with that result that takes type `own`, unless that is 0; -1: none. */
static int pick_op(builder *b, int function, int type, int own)
{
    int32_t numbers[AZ_OP_COUNT], count = 0;
    for (int32_t i = 0; i < b->space->op_count[function]; ++i) {
        const int32_t number = b->space->ops[function][i];
        const az_op_info *op = &az_ops[number];
        if (op->result == type && (!own || takes(op, own)))
            numbers[count++] = number;
    }
    return count ? numbers[az_below(b->draws, count)] : -1;
}

static void begin(builder *b, const az_space *s, az_draws *d, az_candidate *to, int f, az_set busy)
{
    b->space = s;
    b->draws = d;
    b->to = to;
    b->function = f;
    b->busy = busy | s->features | s->label;
    b->written =
        written_by(s, to, AZ_SETUP) | written_by(s, to, AZ_PREDICT) | written_by(s, to, AZ_LEARN);
    b->count = 0;
    b->terms = b->written | s->features | (f == AZ_LEARN ? s->label | s->prediction : 0);
    for (int type = AZ_SCALAR; type <= AZ_MATRIX; ++type) { /* one that holds zeros */
        const int32_t zero = pick(b, type, ~(b->terms | s->features | s->label | s->prediction));
        if (zero >= 0)
            b->terms |= az_bit(s, type, zero);
    }
}

/* A constant that Setup makes from now on, in an address of its own. */
static int32_t new_constant(builder *b, int type)
{
    const az_space *s = b->space;
    az_candidate *to = b->to;
    if (to->count[AZ_SETUP] >= s->most[AZ_SETUP])
        return -1;
    const int op = pick_op(b, AZ_SETUP, type, 0);
    if (op < 0 || az_ops[op].first || az_ops[op].entry)
        return -1;
    const int32_t number =
        pick(b, type, ~(b->written | b->busy | s->features | s->label | s->prediction));
    if (number < 0)
        return -1;
    az_instruction *in = &to->code[s->start[AZ_SETUP] + to->count[AZ_SETUP]++];
    *in = (az_instruction){.op = op, .out = number};
    az_draw_constants(s, b->draws, in);
    const az_set bit = az_bit(s, type, number);
    b->busy |= bit;
    b->written |= bit;
    b->terms |= bit;
    return number;
}

/* Makes an expression of that type; returns the number of the address that holds it, or -1. */
static int32_t expression(builder *b, int type, int depth)
{
    if (depth <= 0 || az_uniform(b->draws) < TERMINAL) {
        if (az_uniform(b->draws) < fresh[type]) {
            const int32_t made = new_constant(b, type);
            if (made >= 0)
                return made;
        }
        return pick(b, type, b->terms);
    }
    const int number = pick_op(b, b->function, type, 0);
    if (number < 0)
        return pick(b, type, b->terms);
    const az_op_info *op = &az_ops[number];
    az_instruction in = {.op = number};
    if (op->first && (in.a = expression(b, op->first, depth - 1)) < 0)
        return -1;
    if (op->second && (in.b = expression(b, op->second, depth - 1)) < 0)
        return -1;
    in.out = pick(b, type, ~b->busy);
    if (in.out < 0 || b->count >= MOST_MADE)
        return -1;
    b->busy |= az_bit(b->space, type, in.out);
    az_draw_constants(b->space, b->draws, &in);
    b->made[b->count++] = in;
    return in.out;
}

/* Appends an instruction whose operand `side` is address `own` (side -1: neither), the others
 * expressions; returns whether it could. */
static int combine(builder *b, int number, int32_t out, int side, int32_t own, int depth)
{
    const az_op_info *op = &az_ops[number];
    az_instruction in = {.op = number, .out = out};
    if (op->first && (in.a = side == 0 ? own : expression(b, op->first, depth)) < 0)
        return 0;
    if (op->second && (in.b = side == 1 ? own : expression(b, op->second, depth)) < 0)
        return 0;
    if (b->count >= MOST_MADE)
        return 0;
    az_draw_constants(b->space, b->draws, &in);
    b->made[b->count++] = in;
    return 1;
}

/* Puts in what was made. */
static int put_in(builder *b, int32_t position)
{
    const az_space *s = b->space;
    const int f = b->function;
    int32_t *count = &b->to->count[f];
    if (*count + b->count > s->most[f])
        return 0;
    az_instruction *at = b->to->code + s->start[f] + position;
    memmove(at + b->count, at, (size_t)(*count - position) * sizeof *at);
    memcpy(at, b->made, (size_t)b->count * sizeof *at);
    *count += b->count;
    return 1;
}

/* ---- mutations ----------------------------------------------------------------------------- */

/* The sides on which an op takes a type, one of them drawn; -1: none. */
static int side_of(az_draws *d, const az_op_info *op, int type)
{
    if (op->first == type && op->second == type)
        return az_below(d, 2);
    return op->first == type ? 0 : op->second == type ? 1 : -1;
}

/* A constant that Predict needs is made anew in Setup, or for the first time. */
static void insert_constant(const az_space *s, az_draws *d, az_candidate *c)
{
    const az_needs n = az_find_needs(s, c);
    const az_set one = pick_any(d, n.predict & ~s->prediction);
    if (!one || !s->op_count[AZ_SETUP])
        return;
    builder b = {.space = s, .draws = d, .to = c, .function = AZ_SETUP};
    const int type = type_of(s, one), op = pick_op(&b, AZ_SETUP, type, 0);
    if (op < 0 || az_ops[op].first || az_ops[op].entry)
        return;
    az_instruction in = {.op = op, .out = number_of(s, type, one)};
    az_draw_constants(s, d, &in);
    az_instruction *body = c->code + s->start[AZ_SETUP];
    for (int32_t i = 0; i < c->count[AZ_SETUP]; ++i)
        if (az_written_by(s, &body[i]) == one) {
            body[i] = in;
            return;
        }
    b.made[b.count++] = in;
    put_in(&b, az_below(d, c->count[AZ_SETUP] + 1));
}

void az_insert_in(const az_space *s, az_draws *d, az_candidate *c, int f)
{
    if (f == AZ_SETUP) {
        insert_constant(s, d, c);
        return;
    }
    if (!s->op_count[f])
        return;
    const az_needs n = az_find_needs(s, c);
    const int32_t position = az_below(d, c->count[f] + 1);
    const az_set needed = az_needed_at(s, c, &n, f, position);
    const az_set one = pick_any(d, needed & ~(s->features | s->label));
    if (!one)
        return;
    builder b;
    begin(&b, s, d, c, f, needed);
    const int type = type_of(s, one), op = pick_op(&b, f, type, 0);
    if (op < 0)
        return;
    const int32_t own = number_of(s, type, one);
    const int updates = takes(&az_ops[op], type) && az_uniform(d) < OWN;
    const int side = updates ? side_of(d, &az_ops[op], type) : -1;
    if (combine(&b, op, own, side, own, DEPTH))
        put_in(&b, position);
}

/* In Setup one time in eight, in Predict two. */
AZ_MUTATION(az_insert_live)
{
    (void)context;
    const int32_t eighth = az_below(d, 8);
    az_insert_in(s, d, c, eighth == 0 ? AZ_SETUP : eighth < 3 ? AZ_PREDICT : AZ_LEARN);
}

/* States that Predict reads; those alone of which Learn writes nothing yet, if there are any. */
static az_set states_of(const az_space *s, const az_candidate *c, az_set among)
{
    const az_set given = s->features | s->label | s->prediction;
    const az_set read = read_first(s, c, AZ_PREDICT) & among & ~given;
    const az_set new = read & ~written_by(s, c, AZ_LEARN);
    return new ? new : read;
}

/* Begins an update of one of those states in Learn; its place there, or -1. */
static int32_t begin_update(
    builder *b, const az_space *s, az_draws *d, az_candidate *c, az_set states, az_set *one)
{
    *one = pick_any(d, states);
    if (!*one || !s->op_count[AZ_LEARN])
        return -1;
    const az_needs n = az_find_needs(s, c);
    const int32_t position = az_below(d, c->count[AZ_LEARN] + 1);
    begin(b, s, d, c, AZ_LEARN, az_needed_at(s, c, &n, AZ_LEARN, position) | *one);
    return position;
}

AZ_MUTATION(az_update_state)
{
    (void)context;
    builder b;
    az_set one;
    const az_set all = ~(az_set)0;
    const int32_t position = begin_update(&b, s, d, c, states_of(s, c, all), &one);
    if (position < 0)
        return;
    const int type = type_of(s, one), op = pick_op(&b, AZ_LEARN, type, type);
    if (op < 0)
        return;
    const int32_t own = number_of(s, type, one);
    if (combine(&b, op, own, side_of(d, &az_ops[op], type), own, DEPTH))
        put_in(&b, position);
}

/* Ops of Learn that add to a value of that type; how many. */
static int32_t adding_to(const az_space *s, int type, int32_t *numbers)
{
    int32_t count = 0;
    for (int32_t i = 0; i < s->op_count[AZ_LEARN]; ++i) {
        const int32_t number = s->ops[AZ_LEARN][i];
        if (az_ops[number].adds && az_ops[number].result == type)
            numbers[count++] = number;
    }
    return count;
}

void az_add_to_state(const az_space *s, az_draws *d, az_candidate *c)
{
    builder b;
    az_set one, able = 0;
    int32_t numbers[AZ_OP_COUNT];
    for (int type = AZ_SCALAR; type <= AZ_MATRIX; ++type)
        if (adding_to(s, type, numbers))
            able |= s->of_type[type];
    const az_set states = states_of(s, c, able);
    if (!states) {
        az_update_state(s, d, NULL, c);
        return;
    }
    const int32_t position = begin_update(&b, s, d, c, states, &one);
    if (position < 0)
        return;
    const int type = type_of(s, one);
    const int op = numbers[az_below(d, adding_to(s, type, numbers))];
    const int32_t own = number_of(s, type, one);
    if (combine(&b, op, own, 0, own, DEPTH))
        put_in(&b, position);
}

void az_grow_in(const az_space *s, az_draws *d, az_candidate *c, int f)
{
    if (!c->count[f] || !s->op_count[f])
        return;
    const int32_t position = az_below(d, c->count[f]);
    az_instruction *in = &c->code[s->start[f] + position];
    const int side = az_ops[in->op].second ? az_below(d, 2) : 0;
    const int type = side ? az_ops[in->op].second : az_ops[in->op].first;
    if (!type)
        return;
    int32_t *operand = side ? &in->b : &in->a;
    const az_needs n = az_find_needs(s, c);
    builder b;
    begin(&b, s, d, c, f, az_needed_at(s, c, &n, f, position) | az_read_by(s, in));
    if (az_uniform(d) < REPLACE) {
        const int32_t other = pick(&b, type, b.terms);
        *operand = other < 0 ? *operand : other;
        return;
    }
    const int op = pick_op(&b, f, type, 0);
    if (op < 0)
        return;
    const int keeps = takes(&az_ops[op], type) && az_uniform(d) < OWN;
    const int kept = keeps ? side_of(d, &az_ops[op], type) : -1;
    if (!combine(&b, op, 0, kept, *operand, DEPTH - 1))
        return;
    const int32_t out = pick(&b, type, ~b.busy);
    if (out < 0 || c->count[f] + b.count > s->most[f])
        return;
    b.made[b.count - 1].out = out;
    *operand = out;
    put_in(&b, position);
}

/* In Predict one time in three, else in Learn. */
AZ_MUTATION(az_grow_operand)
{
    (void)context;
    az_grow_in(s, d, c, az_below(d, 3) ? AZ_LEARN : AZ_PREDICT);
}

/* One of all functions' instructions, those alone that are searched; -1: there is none. */
static int32_t any_instruction(const az_space *s, az_draws *d, const az_candidate *c, int *f)
{
    int32_t total = 0;
    for (int g = 0; g < 3; ++g)
        total += s->op_count[g] ? c->count[g] : 0;
    if (!total)
        return -1;
    int32_t position = az_below(d, total);
    for (*f = 0; !s->op_count[*f] || position >= c->count[*f]; ++*f)
        position -= s->op_count[*f] ? c->count[*f] : 0;
    return position;
}

/* From `position` on, what would read one address reads another, until either is written. */
static void reconnect(
    const az_op_info *op, int32_t old, int32_t new, az_instruction *in, const az_instruction *end)
{
    for (; in < end; ++in) {
        const az_op_info *reader = &az_ops[in->op];
        if (reader->first == op->result && in->a == old)
            in->a = new;
        if (reader->second == op->result && in->b == old)
            in->b = new;
        if (reader->result == op->result && (in->out == old || in->out == new))
            return;
    }
}

AZ_MUTATION(az_bypass)
{
    (void)context;
    int f;
    const int32_t position = any_instruction(s, d, c, &f);
    if (position < 0 || c->count[f] <= s->least[f])
        return;
    az_instruction *at = c->code + s->start[f] + position;
    const az_instruction gone = *at;
    const az_op_info *op = &az_ops[gone.op];
    memmove(at, at + 1, (size_t)(--c->count[f] - position) * sizeof *at);
    if (!op->result || !takes(op, op->result) || az_below(d, 2))
        return;
    const int32_t operand = side_of(d, op, op->result) ? gone.b : gone.a;
    reconnect(op, gone.out, operand, at, c->code + s->start[f] + c->count[f]);
}

AZ_MUTATION(az_move)
{
    (void)context;
    const int f = az_below(d, 2) ? AZ_LEARN : AZ_PREDICT;
    const int32_t count = c->count[f];
    if (count < 2 || !s->op_count[f])
        return;
    const int32_t from = az_below(d, count), to = (from + 1 + az_below(d, count - 1)) % count;
    az_instruction *body = c->code + s->start[f];
    const az_instruction moved = body[from];
    if (to > from)
        memmove(body + from, body + from + 1, (size_t)(to - from) * sizeof *body);
    else
        memmove(body + to + 1, body + to, (size_t)(from - to) * sizeof *body);
    body[to] = moved;
}

AZ_MUTATION(az_cross)
{
    if (!context->others)
        return;
    const az_candidate *from = context->other(context->of, az_below(d, context->others));
    const int f = az_below(d, 3);
    if (!s->op_count[f])
        return;
    c->count[f] = from->count[f];
    memcpy(c->code + s->start[f], from->code + s->start[f], (size_t)c->count[f] * sizeof *c->code);
}

int32_t az_count_constants(const az_space *s, const az_candidate *c)
{
    int32_t total = 0;
    for (int f = 0; f < 3; ++f)
        for (int32_t i = 0; s->op_count[f] && i < c->count[f]; ++i)
            total += az_ops[c->code[s->start[f] + i].op].constants;
    return total;
}

AZ_MUTATION(az_alter_constant)
{
    (void)context;
    const int32_t total = az_count_constants(s, c);
    if (!total)
        return;
    int32_t which = az_below(d, total), f = 0, i = 0;
    for (;; ++i) {
        while (!s->op_count[f] || i == c->count[f])
            ++f, i = 0;
        const int32_t constants = az_ops[c->code[s->start[f] + i].op].constants;
        if (which < constants)
            break;
        which -= constants;
    }
    az_scale_constant(s, d, &c->code[s->start[f] + i], which);
}
