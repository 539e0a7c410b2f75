#include "settings.h"

#include <stddef.h>

#define ENTRY(of, name, type, count, course) \
    {#name, AZ_##type, offsetof(az_island, of.name), sizeof(type) * (count), count, course},

const az_setting az_setting_table[] = {AZ_EACH_SETTING(ENTRY)};
const int az_setting_count = sizeof az_setting_table / sizeof *az_setting_table;
