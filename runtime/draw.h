/* Random numbers of the search: candidate k of an island draws its own sequence, a function of
 * (seed, island, k) alone, so that nothing depends on what other candidates drew, on the number
 * of workers or on interruptions. Philox as in random.h; its counter here is
 *
 *     [ draw | stream | candidate low | candidate high ]
 */
#ifndef AZ_DRAW_H
#define AZ_DRAW_H

#include <math.h>

#include "azmath.h"
#include "random.h"

typedef struct {
    uint64_t key, candidate;
    uint32_t stream, next; /* number of the next block of four words */
    int left;              /* words of the current block not yet given out */
    uint32_t word[4];
} az_draws;

static inline az_draws az_draws_of(uint64_t key, uint64_t candidate, uint32_t stream)
{
    return (az_draws){.key = key, .candidate = candidate, .stream = stream};
}

static inline uint32_t az_word(az_draws *d)
{
    if (!d->left) {
        const az_draw block = az_philox(d->key, d->next++, d->stream, d->candidate);
        d->word[3] = (uint32_t)block.first;
        d->word[2] = (uint32_t)(block.first >> 32);
        d->word[1] = (uint32_t)block.second;
        d->word[0] = (uint32_t)(block.second >> 32);
        d->left = 4;
    }
    return d->word[--d->left];
}

/* Uniform on 0 … n - 1; n is small beside 2^32, so that no remainder needs to be drawn again. */
static inline int32_t az_below(az_draws *d, int32_t n)
{
    return (int32_t)((uint64_t)az_word(d) * (uint64_t)(uint32_t)n >> 32);
}

/* Uniform on [0, 1), a multiple of 2^-53. */
static inline double az_uniform(az_draws *d)
{
    const uint64_t high = az_word(d), low = az_word(d);
    return (double)((high << 32 | low) >> 11) * 0x1p-53;
}

/* Standard normal (Box and Muller 1958). */
static inline double az_gauss(az_draws *d)
{
    const double u = 1.0 - az_uniform(d), w = az_uniform(d);
    return sqrt(-2.0 * az_log(u)) * az_cos(6.283185307179586477 * w);
}

#endif
