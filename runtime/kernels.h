/* What the interpreter and the kernels agree on.
 *
 * A cell is one address of a program's memory, or a constant, for a block of lanes (tasks that run
 * in lockstep). Its values lie entry by entry, the lanes of an entry side by side:
 *
 *     scalar   [lane]                      L doubles
 *     vector   [entry][lane]               F * L
 *     matrix   [row][column][lane]         F * F * L
 *
 * With one lane this is the ordinary layout, entries side by side: the same kernels serve many
 * small tasks and one with thousands of features.
 *
 * Every sum runs in one order, whatever the lanes and the vector width: entry e is added to
 * partial sum e mod 8, in order, and the eight are added as ((0+4)+(2+6)) + ((1+5)+(3+7)). An
 * absent partial sum is -0.0, which leaves every addend as it is.
 */
#ifndef AZ_KERNELS_H
#define AZ_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "_generated/ops.h"

#define AZ_MAX_LANES 16
#define AZ_WIDTHS 5 /* 1, 2, 4, 8 and 16 lanes */

/* Kernels beyond the ops: fused pairs, copies for ops that must not write over an operand, and
 * gaussian with normal numbers that are kept. */
enum {
    AZ_COPY_VECTOR = AZ_OP_COUNT + AZ_FUSED_COUNT,
    AZ_COPY_MATRIX,
    AZ_GAUSSIAN_OF,
    AZ_KERNEL_COUNT
};

typedef struct az_step az_step;

/* What all instructions of one dispatch share. */
typedef struct {
    const uint64_t *keys; /* [lanes] keys of random numbers */
    int64_t features;     /* F */
    int64_t block;        /* examples that one dispatch serves, at least 1 */
    uint64_t step;        /* number of the first example's step */
    /* of the step that judges a training example's prediction */
    double limit; /* as for `judge` below */
    double *kept; /* [class][lane] where the prediction is kept, or NULL */
} az_frame;

typedef void (*az_kernel)(const az_step *, const az_frame *);

/* One instruction, ready to run. Constants stand where operands do. */
struct az_step {
    az_kernel kernel;
    double *out;
    const double *a, *b, *c;
    az_kernel block_kernel; /* the same for a block of examples, */
    int64_t stride[4];      /* whose copies of out, a, b, c are so many doubles apart */
    uint32_t place;         /* the entry that is set, which random instruction it is, or entries */
};

/* The kernel of the step behind a function's last: nothing follows. */
static inline void az_stop(const az_step *in, const az_frame *frame)
{
    (void)in, (void)frame;
}

/* The kernels of one number of lanes at one level of the instruction set. */
typedef struct {
    int lanes;
    az_kernel one[AZ_KERNEL_COUNT], block[AZ_KERNEL_COUNT];
    /* s1 := sigmoid(s1) */
    void (*sigmoid)(double *prediction);
    /* first C entries of the prediction := their softmax */
    void (*softmax)(double *prediction, int64_t classes);
    /* adds 1 to bad where |label - prediction| is NaN or above the limit, and ever after: so bad
     * counts the examples since a lane died. This and what follows, but for classes, is for
     * `count` examples, their predictions so many doubles apart */
    void (*judge)(
        double *bad,
        const double *label,
        const double *prediction,
        int64_t stride,
        int64_t count,
        double limit);
    /* the same for classes: any difference to the one-hot label */
    void (*judge_classes)(
        double *bad, const double *label, const double *prediction, int64_t classes, double limit);
    /* adds the squared error to total, but returns a bit per lane where an error is NaN or above
     * the limit, and leaves such errors out */
    uint32_t (*score_squares)(
        double *total,
        const double *label,
        const double *prediction,
        int64_t stride,
        int64_t count,
        double limit);
    /* adds 1 to total where the class is right */
    void (*score_binary)(
        double *total,
        const double *label,
        const double *prediction,
        int64_t stride,
        int64_t count);
    void (*score_classes)(
        double *total, const double *label, const double *prediction, int64_t classes);
    /* Steps between Predict and Learn: out is what `judge` counts, a the label, b the prediction;
     * without and with the sigmoid before it. */
    az_kernel judge_step, judge_step_binary;
    /* Rounds off the mantissa's lowest bits (`rounding` has them set), to the nearest, which may
     * be infinity; one NaN, one zero. */
    void (*round_off)(double *value, int64_t count, uint64_t rounding);
} az_kernel_set;

/* One table per level, in the order of lanes 1, 2, 4, 8, 16. */
extern const az_kernel_set az_kernels_baseline[AZ_WIDTHS];
#ifdef AZ_HAVE_X86_LEVELS
extern const az_kernel_set az_kernels_avx2[AZ_WIDTHS];
extern const az_kernel_set az_kernels_avx512[AZ_WIDTHS];
#endif

#endif
