/* XXH3-128 (Yann Collet, specification at github.com/Cyan4973/xxHash) of inputs of more than 240
 * bytes, with the default secret: what hashes of programs and fingerprints need, without the GIL.
 *
 * The xxhash package exports the C function that it calls itself, of the signature below. It is
 * asked for by name when the runtime is imported, and used from then on if it agrees with the one
 * in xxh3.c at lengths of every kind: it takes a third of the time, because it is written for the
 * vector unit. Otherwise, such as with a build of the package that hides its functions, the one in
 * xxh3.c serves. */
#ifndef AZ_XXH3_H
#define AZ_XXH3_H

#include <stddef.h>
#include <stdint.h>

#define AZ_HASH_LEAST 241 /* bytes; shorter inputs are padded by whoever hashes them */

typedef struct {
    uint64_t low, high; /* low: XXH3-64 */
} az_hash;

typedef az_hash az_hash_routine(const void *bytes, size_t length);

/* Of at least AZ_HASH_LEAST bytes: by the routine in use, and by the one here. */
az_hash az_hash_of(const void *bytes, size_t length);
az_hash az_hash_own(const void *bytes, size_t length);

/* Uses `routine` from now on, unless it gives other hashes; whether it does. */
int az_hash_use(az_hash_routine *routine);

#endif
