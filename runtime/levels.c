#include "levels.h"

#include <stddef.h>

static const struct {
    const char *name;
    const az_kernel_set *kernels;
} levels[] = {
    {"baseline", az_kernels_baseline},
#ifdef AZ_HAVE_X86_LEVELS
    {"avx2", az_kernels_avx2},
    {"avx512", az_kernels_avx512},
#endif
};

int az_level_count(void)
{
    return (int)(sizeof levels / sizeof *levels);
}

const char *az_level_name(int level)
{
    return levels[level].name;
}

int az_level_runs(int level)
{
#ifdef AZ_HAVE_X86_LEVELS
    __builtin_cpu_init();
    if (level == 1)
        return __builtin_cpu_supports("avx2");
    if (level == 2)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
#endif
    return level == 0;
}

const az_kernel_set *az_level_kernels(int level, int64_t lanes)
{
    for (int w = 0; w < AZ_WIDTHS; ++w)
        if (levels[level].kernels[w].lanes == lanes)
            return &levels[level].kernels[w];
    return NULL;
}
