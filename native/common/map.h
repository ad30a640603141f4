/* A hash table from a 64-bit key to a pointer: open addressing, linear probing, at most 3/4 full, growing by
 * doubling up to its bound. Keys are hashed with a random number, since peers may choose parts of them.
 *
 * To remove while walking: do not advance after a removal; what was not yet visited is never moved to
 * a place already passed.
 *
 *     for (uint32_t at = 0; at < map_slots(map);)
 *         if (map_at(map, at) && stale(map_at(map, at))) map_remove(map, key); else at++; */
#ifndef CAREOF_MAP_H
#define CAREOF_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
    uint64_t key;
    void *value; /* NULL: free */
};

struct map {
    struct map_slot *slots;
    uint32_t slot_count; /* a power of two, or 0 */
    uint32_t count, count_max;
    uint64_t secret;
};

void map_begin(struct map *map, uint32_t count_max, uint64_t secret);
void map_end(struct map *map);

void *map_get(const struct map *map, uint64_t key);

/* Replaces a value of that key. False when it is full or there is no memory: nothing was changed. */
bool map_put(struct map *map, uint64_t key, void *value);

/* The value that was there, or NULL. */
void *map_remove(struct map *map, uint64_t key);

static inline uint32_t map_slots(const struct map *map)
{
    return map->slot_count;
}

static inline void *map_at(const struct map *map, uint32_t slot)
{
    return map->slots[slot].value;
}

static inline uint64_t map_key_at(const struct map *map, uint32_t slot)
{
    return map->slots[slot].key;
}

#endif
