/* Levels: the kernels are compiled several times, each time for another instruction set (baseline,
 * AVX2, AVX-512), with the same bits. Python asks which of them this machine runs when azc is
 * imported, and takes kernels from here for every machine and island. */
#ifndef AZ_LEVELS_H
#define AZ_LEVELS_H

#include "kernels.h"

/* Levels this build has, best last; az_level_count() of them. */
int az_level_count(void);
const char *az_level_name(int level);
/* Whether this machine can run the level. */
int az_level_runs(int level);
/* The kernels of a level for a number of lanes (1, 2, 4, 8, 16); NULL for any other number. */
const az_kernel_set *az_level_kernels(int level, int64_t lanes);

#endif
