#include "map.h"

#include <stdlib.h>

enum { SLOTS_MIN = 16 };

void map_begin(struct map *map, uint32_t count_max, uint64_t secret)
{
    *map = (struct map){.count_max = count_max, .secret = secret};
}

void map_end(struct map *map)
{
    free(map->slots);
    map->slots = NULL;
    map->slot_count = map->count = 0;
}

/* Two rounds of multiply and fold (the finisher of MurmurHash3), keyed. */
static uint32_t slot_of(const struct map *map, uint64_t key)
{
    uint64_t hash = key ^ map->secret;
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdull;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53ull;
    return (uint32_t)(hash ^ hash >> 33) & (map->slot_count - 1);
}

/* The slot that holds `key`, or the free one where it would go. There is always a free one. */
static uint32_t find(const struct map *map, uint64_t key)
{
    uint32_t slot = slot_of(map, key);
    while (map->slots[slot].value && map->slots[slot].key != key)
        slot = (slot + 1) & (map->slot_count - 1);
    return slot;
}

void *map_get(const struct map *map, uint64_t key)
{
    return map->slot_count ? map->slots[find(map, key)].value : NULL;
}

static bool grow(struct map *map)
{
    struct map larger = *map;
    larger.slot_count = map->slot_count ? map->slot_count * 2 : SLOTS_MIN;
    larger.slots = calloc(larger.slot_count, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (uint32_t i = 0; i < map->slot_count; i++)
        if (map->slots[i].value)
            larger.slots[find(&larger, map->slots[i].key)] = map->slots[i];
    free(map->slots);
    *map = larger;
    return true;
}

bool map_put(struct map *map, uint64_t key, void *value)
{
    if (map->slot_count) {
        uint32_t slot = find(map, key);
        if (map->slots[slot].value) {
            map->slots[slot].value = value;
            return true;
        }
    }
    if (map->count >= map->count_max)
        return false;
    if (map->count + 1 > map->slot_count / 4 * 3 && !grow(map))
        return false;
    map->slots[find(map, key)] = (struct map_slot){.key = key, .value = value};
    map->count++;
    return true;
}

void *map_remove(struct map *map, uint64_t key)
{
    if (!map->slot_count)
        return NULL;
    uint32_t hole = find(map, key);
    void *value = map->slots[hole].value;
    if (!value)
        return NULL;
    /* Close the gap: whoever was pushed past the hole moves into it. */
    uint32_t mask = map->slot_count - 1;
    for (uint32_t next = (hole + 1) & mask; map->slots[next].value; next = (next + 1) & mask) {
        uint32_t home = slot_of(map, map->slots[next].key);
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            map->slots[hole] = map->slots[next];
            hole = next;
        }
    }
    map->slots[hole].value = NULL;
    map->count--;
    return value;
}
