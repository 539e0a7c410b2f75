/* Normal numbers of Setup, kept. A draw depends on where it is made and on nothing that was drawn
 * before, so on the same tasks every program's first gaussian, and second, scales the same numbers.
 * A machine that runs one program after the other makes them once. */
#ifndef AZ_NORMALS_H
#define AZ_NORMALS_H

#include "kernels.h"

/* Random instructions whose numbers are kept, and how many doubles for each at most: more are as
 * soon made as fetched. */
#define AZ_NORMALS_PLACES 8
#define AZ_NORMALS_MOST 8192

typedef struct {
    /* what they hold for */
    uint64_t keys[AZ_MAX_LANES];
    int64_t lanes;
    struct {
        double *value; /* [entry][lane], mean 0 and deviation 1 */
        int64_t entries, room;
    } at[AZ_NORMALS_PLACES];
} az_normals;

/* Whether a kernel draws normal numbers. */
int az_is_gaussian(int32_t kernel);
/* The numbers that Setup's random instruction `place` draws, its mean 0 and deviation 1, at least
 * `entries` of them; NULL where they are not kept. They stay until other keys are asked about. */
const double *az_normals_at(
    az_normals *n,
    const az_kernel_set *kernels,
    const uint64_t *keys,
    uint32_t place,
    int64_t entries);
void az_normals_free(az_normals *n);

#endif
