/* The settings of an island by name (tables.py): where in az_island each of them is, so that
 * whoever sets them, or compares them, need not know them. */
#ifndef AZ_SETTINGS_H
#define AZ_SETTINGS_H

#include "island.h"

typedef enum { AZ_int32_t, AZ_int64_t, AZ_uint64_t, AZ_double } az_kind;

typedef struct {
    const char *name;
    az_kind kind;
    size_t offset, bytes; /* in az_island */
    int count;            /* values */
    int course;           /* the course of a search depends on it */
} az_setting;

extern const az_setting az_setting_table[];
extern const int az_setting_count;

static inline void *az_setting_of(const az_island *island, const az_setting *setting)
{
    return (uint8_t *)island + setting->offset;
}

#endif
