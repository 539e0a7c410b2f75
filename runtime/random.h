/* Counter-based random numbers: a draw is a function of where it is made, not of what was drawn
 * before, so results do not depend on batching, tier or dead code.
 *
 * Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011):
 *
 *     counter  [ entry | instruction | step low | step high ]     4 x 32 bits
 *     key      [ lane key low | lane key high ]                   2 x 32 bits
 *
 * 32-bit halves live in 64-bit words, so that a loop over lanes vectorises with 32 x 32 -> 64
 * multiplications, which every level has.
 */
#ifndef AZ_RANDOM_H
#define AZ_RANDOM_H

#include <stdint.h>
#include <string.h>

typedef struct {
    uint64_t first, second;
} az_draw;

static inline az_draw az_philox(uint64_t key, uint32_t entry, uint32_t instruction, uint64_t step)
{
    const uint64_t low = 0xffffffffu;
    uint64_t c0 = entry, c1 = instruction, c2 = step & low, c3 = step >> 32;
    uint64_t k0 = key & low, k1 = key >> 32;
    for (int round = 0; round < 10; ++round) {
        const uint64_t p0 = UINT64_C(0xD2511F53) * (c0 & low);
        const uint64_t p1 = UINT64_C(0xCD9E8D57) * (c2 & low);
        c0 = (p1 >> 32) ^ c1 ^ k0;
        c1 = p1 & low;
        c2 = (p0 >> 32) ^ c3 ^ k1;
        c3 = p0 & low;
        k0 = (k0 + UINT64_C(0x9E3779B9)) & low;
        k1 = (k1 + UINT64_C(0xBB67AE85)) & low;
    }
    return (az_draw){c0 | (c1 << 32), c2 | (c3 << 32)};
}

/* The upper 52 bits k as (k + 1/2) / 2^52: exact, and never 0 or 1. */
static inline double az_unit(uint64_t bits)
{
    const uint64_t word = (bits >> 12) | UINT64_C(0x3FF0000000000000);
    double value;
    memcpy(&value, &word, sizeof value);
    return value - (1.0 - 0x1p-53);
}

/* A key from two numbers that may be small or alike (SplitMix64's finaliser, twice). */
static inline uint64_t az_mix(uint64_t value)
{
    value += UINT64_C(0x9E3779B97F4A7C15);
    value = (value ^ (value >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94D049BB133111EB);
    return value ^ (value >> 31);
}

static inline uint64_t az_key(uint64_t seed, uint64_t task)
{
    return az_mix(az_mix(seed) ^ task);
}

#endif
