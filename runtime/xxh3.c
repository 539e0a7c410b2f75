/* XXH3-128 of long inputs: borrowed, or made here. */
#include "xxh3.h"

#include <string.h>

static const uint8_t secret_bytes[192] __attribute__((aligned(64))) = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
};

static inline uint64_t read64(const void *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline void add_stripe(uint64_t *acc, const uint8_t *input, const uint8_t *secret)
{
    for (int i = 0; i < 8; ++i) {
        const uint64_t data = read64(input + 8 * i);
        const uint64_t mixed = data ^ read64(secret + 8 * i);
        acc[i ^ 1] += data;
        acc[i] += (mixed & 0xffffffffu) * (mixed >> 32);
    }
}

static inline uint64_t fold(const uint64_t *acc, const uint8_t *secret, uint64_t start)
{
    uint64_t result = start;
    for (int i = 0; i < 4; ++i) {
        const unsigned __int128 product =
            (unsigned __int128)(acc[2 * i] ^ read64(secret + 16 * i)) *
            (acc[2 * i + 1] ^ read64(secret + 16 * i + 8));
        result += (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    result ^= result >> 37;
    result *= UINT64_C(0x165667919E3779F9);
    return result ^ (result >> 32);
}

az_hash az_hash_own(const void *bytes, size_t length)
{
    enum { STRIPE = 64, PER_BLOCK = 16, BLOCK = STRIPE * PER_BLOCK };
    const uint64_t p32_1 = 0x9E3779B1u, p32_2 = 0x85EBCA77u, p32_3 = 0xC2B2AE3Du;
    const uint64_t p1 = UINT64_C(0x9E3779B185EBCA87), p2 = UINT64_C(0xC2B2AE3D27D4EB4F);
    const uint64_t p3 = UINT64_C(0x165667B19E3779F9), p4 = UINT64_C(0x85EBCA77C2B2AE63);
    const uint64_t p5 = UINT64_C(0x27D4EB2F165667C5);
    const uint8_t *input = bytes, *last = secret_bytes + sizeof secret_bytes - STRIPE;
    uint64_t acc[8] = {p32_3, p1, p2, p3, p4, p32_2, p5, p32_1};
    const size_t blocks = (length - 1) / BLOCK;
    for (size_t b = 0; b < blocks; ++b, input += BLOCK) {
        for (int s = 0; s < PER_BLOCK; ++s)
            add_stripe(acc, input + s * STRIPE, secret_bytes + 8 * s);
        for (int i = 0; i < 8; ++i)
            acc[i] = (acc[i] ^ (acc[i] >> 47) ^ read64(last + 8 * i)) * p32_1;
    }
    const size_t stripes = (length - 1 - blocks * BLOCK) / STRIPE;
    for (size_t s = 0; s < stripes; ++s)
        add_stripe(acc, input + s * STRIPE, secret_bytes + 8 * s);
    add_stripe(acc, (const uint8_t *)bytes + length - STRIPE, last - 7);
    return (az_hash){
        fold(acc, secret_bytes + 11, length * p1), fold(acc, last - 11, ~(length * p2))};
}

/* ---- the package's -------------------------------------------------------------------------- */

static az_hash_routine *chosen = az_hash_own;

az_hash az_hash_of(const void *bytes, size_t length)
{
    return chosen(bytes, length);
}

int az_hash_use(az_hash_routine *routine)
{
    uint8_t bytes[3000];
    for (size_t i = 0; i < sizeof bytes; ++i)
        bytes[i] = (uint8_t)(i * i * 31 + (i >> 3));
    for (size_t length = AZ_HASH_LEAST; length <= sizeof bytes; length += 89) {
        const az_hash own = az_hash_own(bytes, length), other = routine(bytes, length);
        if (own.low != other.low || own.high != other.high)
            return 0;
    }
    chosen = routine;
    return 1;
}
