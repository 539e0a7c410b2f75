#include "normals.h"

#include <stdlib.h>
#include <string.h>

#define AZ_NUMBER(number, name) AZ_KERNEL_##name = number,
enum { AZ_EACH_KERNEL(AZ_NUMBER) };

int az_is_gaussian(int32_t kernel)
{
    return kernel == AZ_KERNEL_scalar_gaussian || kernel == AZ_KERNEL_vector_gaussian ||
           kernel == AZ_KERNEL_matrix_gaussian;
}

/* Draws as a vector of so many entries would be: an entry's number does not depend on how many
 * there are. The mean is -0.0, which leaves every addend as it is. */
static void draw(
    double *value,
    const az_kernel_set *kernels,
    const uint64_t *keys,
    uint32_t place,
    int64_t entries)
{
    double mean[AZ_MAX_LANES], deviation[AZ_MAX_LANES];
    for (int l = 0; l < AZ_MAX_LANES; ++l) {
        mean[l] = -0.0;
        deviation[l] = 1.0;
    }
    const az_frame frame = {.keys = keys, .features = entries, .block = 1};
    const az_kernel kernel = kernels->one[AZ_KERNEL_vector_gaussian];
    const az_step step[2] = {
        {.kernel = kernel, .out = value, .a = mean, .b = deviation, .c = mean, .place = place},
        {.kernel = az_stop}};
    kernel(step, &frame);
}

const double *az_normals_at(
    az_normals *n,
    const az_kernel_set *kernels,
    const uint64_t *keys,
    uint32_t place,
    int64_t entries)
{
    const int64_t lanes = kernels->lanes, doubles = entries * lanes;
    const size_t size = (size_t)lanes * sizeof *keys;
    if (place >= AZ_NORMALS_PLACES || doubles > AZ_NORMALS_MOST)
        return NULL;
    if (n->lanes != lanes || memcmp(n->keys, keys, size) != 0) {
        for (int p = 0; p < AZ_NORMALS_PLACES; ++p)
            n->at[p].entries = 0;
        memcpy(n->keys, keys, size);
        n->lanes = lanes;
    }
    if (n->at[place].room < doubles) {
        double *value = realloc(n->at[place].value, (size_t)doubles * sizeof *value);
        if (!value)
            return NULL;
        n->at[place].value = value;
        n->at[place].room = doubles;
    }
    if (n->at[place].entries < entries) {
        draw(n->at[place].value, kernels, keys, place, entries);
        n->at[place].entries = entries;
    }
    return n->at[place].value;
}

void az_normals_free(az_normals *n)
{
    for (int p = 0; p < AZ_NORMALS_PLACES; ++p)
        free(n->at[p].value);
}
