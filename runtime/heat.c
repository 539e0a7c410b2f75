/* Counting work per structure. */
#include "heat.h"

#include <stdlib.h>
#include <string.h>

size_t az_heat_bytes(int32_t capacity)
{
    const size_t program = (size_t)capacity * sizeof(az_instruction);
    return AZ_HEAT_SETS * AZ_HEAT_WAYS * (sizeof(az_structure) + program);
}

int az_heat_new(az_heat *h, int32_t capacity)
{
    const size_t count = AZ_HEAT_SETS * AZ_HEAT_WAYS;
    h->capacity = capacity;
    h->structure = calloc(count, sizeof *h->structure);
    h->code = calloc(count * (size_t)capacity + 1, sizeof *h->code);
    if (!h->structure || !h->code)
        return 0;
    for (size_t i = 0; i < count; ++i)
        h->structure[i].program.code = h->code + i * (size_t)capacity;
    return 1;
}

void az_heat_free(az_heat *h)
{
    free(h->structure);
    free(h->code);
    memset(h, 0, sizeof *h);
}

az_structure *az_heat_of(az_heat *h, uint64_t key, const az_program *canonical)
{
    az_structure *set = h->structure + (key % AZ_HEAT_SETS) * AZ_HEAT_WAYS, *entry = NULL;
    for (int way = 0; way < AZ_HEAT_WAYS; ++way) {
        if (set[way].key == key)
            return &set[way];
        if (!set[way].native && (!entry || set[way].steps < entry->steps))
            entry = &set[way];
    }
    if (!entry)
        entry = set;
    entry->key = key;
    entry->steps = entry->runs = 0;
    free(entry->native); /* where all ways are compiled */
    entry->native = NULL;
    az_instruction *to = entry->program.code;
    for (int f = 0; f < 3; ++f) { /* without gaps, as it lies in the canonical form */
        entry->program.count[f] = (int32_t)canonical->count[f];
        memcpy(to, canonical->body[f], (size_t)canonical->count[f] * sizeof *to);
        to += canonical->count[f];
    }
    return entry;
}

void az_heat_cool(az_heat *h)
{
    for (int i = 0; i < AZ_HEAT_SETS * AZ_HEAT_WAYS; ++i) {
        h->structure[i].steps /= 2;
        h->structure[i].runs /= 2;
    }
}
