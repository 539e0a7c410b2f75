/* Runs one program, interpreted or compiled, on one block of lanes: tasks of the same shape, in
 * lockstep.
 *
 *     az_machine_prepare   slices the program, lays out memory, resolves kernels
 *     az_machine_begin     clears memory; the work may be a prefix of the examples
 *     az_machine_run       trains and validates, at most so many examples a call
 *
 * A machine keeps its buffers between programs. Nothing here calls Python or takes a lock; one
 * machine belongs to one thread at a time.
 */
#ifndef AZ_INTERPRETER_H
#define AZ_INTERPRETER_H

#include "kernels.h"
#include "native.h"
#include "plan.h"
#include "program.h"

/* One block of lanes. Examples in the layout of kernels.h: x [example][entry][lane],
 * y [example][lane]; with classes > 2, y is the class number. */
typedef struct {
    int64_t features, classes, lanes; /* classes 0: regression */
    int64_t train, valid;             /* examples */
    const double *x_train, *y_train, *x_valid, *y_valid;
    const uint64_t *keys; /* [lanes] one per task, for random numbers and nothing else */
    uint32_t active;      /* bit per lane that holds a task; others are padding */
} az_batch;

typedef struct {
    int64_t epochs;
    double max_abs_error;
    uint64_t seed;
    int64_t block; /* most validation examples per dispatch; 0: as many as the L1 cache suits */
    int keep_dead; /* run all instructions one by one: only to show that it changes nothing */
    /* what an example leaves to the next stands where az_machine_cell finds it */
    int addressable;
} az_settings;

/* What is to be run, and on what. All of it must outlive the run. */
typedef struct {
    const az_program *program;
    const az_known *known; /* as az_plan_make takes it */
    const az_batch *batch;
    const az_settings *settings;
    /* the same program compiled, or NULL to interpret it; a batch for it has its examples as
     * native.h says */
    const az_native *native;
    const az_kernel_set *native_kernels;
    /* Constants in the order of the live instructions, indices of entries left out: of a compiled
     * program as native.h says; of an interpreted one [constant][lane], or NULL for the program's
     * own. And the entries that a compiled program's instructions set. */
    const double *constants;
    const int64_t *places;
} az_work;

typedef struct az_machine az_machine;

az_machine *az_machine_new(void);
void az_machine_free(az_machine *machine);

/* Bytes of memory that a program's cells need at this shape, without allocating them; -1 where
 * az_plan_make fails. */
int64_t az_machine_bytes(az_machine *machine, const az_work *work);

int az_machine_prepare(az_machine *machine, const az_kernel_set *kernels, const az_work *work);

/* How many constants the program has that a machine is prepared for. */
int64_t az_machine_constants(const az_machine *machine);

/* How much of what a machine is prepared for is done: its first examples, and epochs. */
typedef struct {
    int64_t train, valid, epochs; /* none greater than in the batch and settings prepared for */
    /* [lane][valid example] doubles (with classes > 2: [lane][valid example][class]) or NULL, which
     * receive the raw predictions of the last validation; where there is none they are left */
    double *predictions;
    /* of the interpreter, for one epoch: [example][class][lane] of training and then of validation,
     * or NULL, which receives what Learn sees of each prediction and then the raw predictions, NaN
     * where a lane has stopped; then there is no fitness */
    double *seen;
    int train_only; /* stop before the last epoch's validation, with memory as it then is */
} az_part;

/* Begins, after az_machine_prepare, as often as wanted. */
void az_machine_begin(az_machine *machine, const az_part *part);

/* Serves at least one and about `examples` examples; returns 1 once the evaluation is complete. */
int az_machine_run(az_machine *machine, int64_t examples);

/* After a run that stopped before the last validation: what az_machine_run does next is that
 * validation, unless every lane is dead. */
void az_machine_validate(az_machine *machine);

/* After a run, or az_machine_prepare and az_machine_begin: where one lane's memory begins. Of an
 * address of an interpreted program, [entry][lanes of the batch], NULL where it has none; and at an
 * offset in the memory of a compiled one, as the emitter laid it out, [entry][lanes of a chunk]. */
double *az_machine_cell(az_machine *machine, int type, int32_t number, int64_t lane);
double *az_machine_cell_at(az_machine *machine, int64_t offset, int64_t lane);

/* Bytes that the machine keeps for the next program. */
size_t az_machine_held(const az_machine *machine);

/* Goes on from the memory as it is, whose step numbers continue at `step`. Predicts `count`
 * examples x [example][entry][lane]; raw predictions go to `to` [example][class][lane]. */
void az_machine_predict(
    az_machine *machine, const double *x, int64_t count, uint64_t step, double *to);

/* How many doubles the memory is, and a copy of it that may be gone back to. */
int64_t az_machine_doubles(const az_machine *machine);
void az_machine_keep(const az_machine *machine, double *to);
void az_machine_go_back(az_machine *machine, const double *to);

/* Trains on the batch's training examples from `first`, which is 0 or where the last call ended, to
 * before `end`; `step` is that of example 0. Returns 1, or 0 once every lane is dead. */
int az_machine_learn(az_machine *machine, int64_t first, int64_t end, uint64_t step);

/* From now on, and until az_machine_begin, what Learn sees of the predictions of the first epoch's
 * training examples goes to `to`, [example][class][lane] from example `from` on. Interpreter only.
 */
void az_machine_hear(az_machine *machine, double *to, int64_t from);

/* Examples served so far. */
int64_t az_machine_done(const az_machine *machine);

/* Training examples that lane l was served, the one that ended it included. The same in every
 * engine. */
int64_t az_machine_trained(const az_machine *machine, int64_t lane);
int az_machine_died(const az_machine *machine, int64_t lane);

/* Per lane, after the run: fitness, and the metric of the epoch that reached it (RMSE, inf where
 * there is none; accuracy). */
const double *az_machine_fitness(const az_machine *machine);
const double *az_machine_value(const az_machine *machine);

#endif
