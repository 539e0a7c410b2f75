/* Packing: the examples of several tasks are copied into one array, side by side, as kernels.h and
 * native.h read them. `_core.Batch` does it once for the tasks of a block. */
#ifndef AZ_PACK_H
#define AZ_PACK_H

#include <stdint.h>

/* Copies `lanes` arrays [example][entry] to
 *
 *     to  [example][lanes / chunk][entry][chunk]
 *
 * `chunk`: 1, 2, 4, 8 or 16, of which `lanes` is a multiple. */
void az_pack(
    double *to,
    const double *const *from,
    int64_t examples,
    int64_t entries,
    int64_t lanes,
    int64_t chunk);

#endif
