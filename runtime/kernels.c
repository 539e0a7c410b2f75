/* All kernels of one level of the instruction set.
 *
 * Compiled once per level with that level's flags, AZ_LEVEL its name and AZ_VECTOR the doubles in
 * one register; lanes.h is taken in once per number of lanes. Nothing here may be called on a
 * machine without the level, so everything but the table is static.
 */
#include "kernels.h"

#include <math.h>
#include <string.h>

#include "azmath.h"
#include "random.h"

#define AZ_GLUE2(x, y) x##_##y
#define AZ_GLUE(x, y) AZ_GLUE2(x, y)
#define AZ_SIMD _Pragma("omp simd")

#include "vectors.h"

/* cos(2 pi w) times a radius: a normal number from two uniform ones (Box and Muller 1958). */
static inline double az_normal(double u, double w)
{
    return sqrt(-2.0 * az_log(u)) * az_cos_fast(6.283185307179586477 * w);
}

static void round_off(double *value, int64_t count, uint64_t rounding)
{
    const uint64_t magnitude = UINT64_MAX >> 1, infinity = UINT64_C(0x7ff) << 52;
    const uint64_t half = (rounding + 1) / 2, nan = UINT64_C(0xfff) << 51;
    for (int64_t i = 0; i < count; ++i) {
        uint64_t bits;
        memcpy(&bits, &value[i], sizeof bits);
        const uint64_t size = bits & magnitude;
        bits = (bits + (size < infinity ? half : 0)) & ~rounding;
        bits = bits & magnitude ? bits : 0;
        bits = size > infinity ? nan : bits;
        memcpy(&value[i], &bits, sizeof bits);
    }
}

#define AZ_L 1
#include "lanes.h"
#undef AZ_L
#define AZ_L 2
#include "lanes.h"
#undef AZ_L
#define AZ_L 4
#include "lanes.h"
#undef AZ_L
#define AZ_L 8
#include "lanes.h"
#undef AZ_L
#define AZ_L 16
#include "lanes.h"
#undef AZ_L

#define AZ_SET(l)                                                                              \
    {.lanes = l,                                                                               \
     .one =                                                                                    \
         {AZ_EACH_KERNEL(AZ_ONE_##l)[AZ_COPY_VECTOR] = copy_vector_##l,                        \
          [AZ_COPY_MATRIX] = copy_matrix_##l, [AZ_GAUSSIAN_OF] = gaussian_of_##l},             \
     .block =                                                                                  \
         {AZ_EACH_KERNEL(AZ_BLOCK_##l)[AZ_COPY_VECTOR] = copy_vector_block_##l,                \
          [AZ_COPY_MATRIX] = copy_matrix_block_##l, [AZ_GAUSSIAN_OF] = gaussian_of_block_##l}, \
     .sigmoid = sigmoid_##l,                                                                   \
     .softmax = softmax_##l,                                                                   \
     .judge = judge_##l,                                                                       \
     .judge_classes = judge_classes_##l,                                                       \
     .score_squares = score_squares_##l,                                                       \
     .score_binary = score_binary_##l,                                                         \
     .score_classes = score_classes_##l,                                                       \
     .judge_step = judge_step_##l,                                                             \
     .judge_step_binary = judge_step_binary_##l,                                               \
     .round_off = round_off}
#define AZ_ONE_1(number, name) [number] = name##_1,
#define AZ_ONE_2(number, name) [number] = name##_2,
#define AZ_ONE_4(number, name) [number] = name##_4,
#define AZ_ONE_8(number, name) [number] = name##_8,
#define AZ_ONE_16(number, name) [number] = name##_16,
#define AZ_BLOCK_1(number, name) [number] = name##_block_1,
#define AZ_BLOCK_2(number, name) [number] = name##_block_2,
#define AZ_BLOCK_4(number, name) [number] = name##_block_4,
#define AZ_BLOCK_8(number, name) [number] = name##_block_8,
#define AZ_BLOCK_16(number, name) [number] = name##_block_16,

const az_kernel_set AZ_GLUE(az_kernels, AZ_LEVEL)[AZ_WIDTHS] = {
    AZ_SET(1), AZ_SET(2), AZ_SET(4), AZ_SET(8), AZ_SET(16)};
