/* What the files of a machine share: machine.c (the course of an evaluation), interpreter.c (steps)
 * and native.c (compiled programs). Everything else sees interpreter.h only. */
#ifndef AZ_MACHINE_H
#define AZ_MACHINE_H

#include "interpreter.h"
#include "normals.h"

enum { PHASE_SETUP, PHASE_TRAIN, PHASE_VALIDATE, PHASE_DONE };

/* What the interpreter's steps are for: the functions, and Predict, what judges its prediction and
 * Learn in one go. */
enum { AZ_TRAIN = 3, AZ_CALLS };

/* What runs programs. */
typedef struct {
    /* Sets `block` and `memory_doubles`; returns the bytes of other arrays, a multiple of 64. */
    int64_t (*measure)(az_machine *);
    /* Cuts up those arrays and fills them. */
    void (*prepare)(az_machine *, char *arrays);
    /* Clears the memory, but for what must be there before Setup. */
    void (*begin)(az_machine *);
    void (*setup)(az_machine *);
    /* Serves training examples from `position` to before `end`, or fewer, as many as may pass
     * between two looks at which lanes are dead; returns how many. */
    int64_t (*train)(az_machine *, int64_t end, uint64_t first_step);
    /* Predicts `block` examples; their predictions lie *stride doubles apart. */
    const double *(*predict)(
        az_machine *, const double *x, int64_t block, uint64_t step, int64_t *stride);
    /* Copies lane l of all memory to or from the copy of it. */
    void (*copy_lane)(const az_machine *, double *to, const double *from, int64_t l);
} az_engine;

extern const az_engine az_interpreter, az_native_engine;

struct az_machine {
    const az_engine *engine;
    az_plan plan;
    const az_kernel_set *kernels;
    az_batch batch;
    az_settings settings;
    int64_t block;           /* examples per dispatch where they are independent */
    const az_native *native; /* the program as it was compiled, or NULL */
    const double *constants; /* [constant][lane], or NULL for the program's own */
    const int64_t *places;   /* entries that a compiled program sets */
    uint64_t keys[AZ_MAX_LANES];
    double *predictions, *seen;
    int train_only;
    double *heard; /* where predictions of training examples go, from `heard_from` on, or NULL */
    int64_t heard_from;
    /* one allocation: the engine's arrays, memory, a copy of it, order of examples */
    void *buffer;
    size_t bytes;
    double *memory, *saved;
    int64_t *order;
    int64_t memory_doubles;
    /* the interpreter's */
    az_step *step, *entry[AZ_CALLS]; /* all steps, and each call's first */
    az_step *judge;                  /* within AZ_TRAIN */
    az_frame frame;                  /* of single examples */
    const double ***feature_slots[AZ_CALLS], ***label_slots[AZ_CALLS]; /* NULL-terminated */
    double **cell;                                                     /* [cells] */
    int64_t *stride;    /* [cells] doubles from one example's copy to the next */
    az_normals normals; /* what Setup draws, from one program to the next */
    /* the compiled program's */
    const az_kernel_set *native_kernels; /* of one chunk's lanes */
    double *raw;                         /* [block][width][lane] predictions */
    /* course of the run */
    int phase;
    int64_t epoch, position, done;
    int64_t trained;    /* training examples served, and asked of whoever is alive */
    uint32_t alive;     /* lanes still training */
    uint32_t validated; /* lanes still in this epoch's validation */
    double bad[AZ_MAX_LANES], total[AZ_MAX_LANES];
    double fitness[AZ_MAX_LANES], value[AZ_MAX_LANES];
};

/* A lane that stops in the middle of a validation keeps its memory as it then was; that needs a
 * copy where Predict carries something over to the next epoch. */
static inline int az_needs_saving(const az_machine *m)
{
    return m->batch.classes == 0 && m->settings.epochs > 1 && !m->plan.facts.stateless;
}

static inline int64_t az_lines_of(int64_t count, size_t size)
{
    return (count * (int64_t)size + 63) & ~INT64_C(63);
}

/* Notes lanes whose error on one of `count` examples is NaN or above the limit; the predictions
 * become what Learn sees of them. */
void az_judge(az_machine *m, const double *y, double *prediction, int64_t stride, int64_t count);

/* Numbers in one prediction. */
static inline int64_t az_width(const az_machine *m)
{
    return m->batch.classes > 2 ? m->batch.classes : 1;
}

#endif
