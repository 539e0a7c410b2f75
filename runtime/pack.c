#include "pack.h"

/* Entries of a block: one cache line of each lane. What is written of it is then still in the L1
 * cache when its last lane comes. */
#define AZ_TILE 8

/* A function of its own for each number of lanes, so that the loop over them is unrolled. Every
 * lane's array is read from beginning to end, and the result is written so. */
static inline __attribute__((always_inline)) void transpose(
    double *restrict to, const double *const *from, int64_t entries, const int lanes)
{
    int64_t e = 0;
    for (; e + AZ_TILE <= entries; e += AZ_TILE, to += AZ_TILE * lanes)
        for (int l = 0; l < lanes; ++l)
            for (int k = 0; k < AZ_TILE; ++k)
                to[k * lanes + l] = from[l][e + k];
    for (; e < entries; ++e, to += lanes)
        for (int l = 0; l < lanes; ++l)
            to[l] = from[l][e];
}

static inline __attribute__((always_inline)) void pack_chunks(
    double *to,
    const double *const *from,
    int64_t examples,
    int64_t entries,
    int64_t lanes,
    const int chunk)
{
    const int64_t row = lanes * entries;
    if (lanes == chunk) { /* as good as one long example */
        transpose(to, from, examples * entries, chunk);
        return;
    }
    for (int64_t t = 0; t < examples; ++t)
        for (int64_t q = 0; q < lanes; q += chunk) {
            const double *at[16];
            for (int l = 0; l < chunk; ++l)
                at[l] = from[q + l] + t * entries;
            transpose(to + t * row + q * entries, at, entries, chunk);
        }
}

void az_pack(
    double *to,
    const double *const *from,
    int64_t examples,
    int64_t entries,
    int64_t lanes,
    int64_t chunk)
{
    switch (chunk) {
    case 1:
        pack_chunks(to, from, examples, entries, lanes, 1);
        break;
    case 2:
        pack_chunks(to, from, examples, entries, lanes, 2);
        break;
    case 4:
        pack_chunks(to, from, examples, entries, lanes, 4);
        break;
    case 8:
        pack_chunks(to, from, examples, entries, lanes, 8);
        break;
    case 16:
        pack_chunks(to, from, examples, entries, lanes, 16);
        break;
    }
}
