#include "names.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_MIN = 16 };

void names_begin(struct names *names, uint32_t count_max, uint64_t secret)
{
    *names = (struct names){.count_max = count_max, .secret = secret};
}

void names_end(struct names *names)
{
    free(names->slots);
    names->slots = NULL;
    names->slot_count = names->count = 0;
}

void named_set(struct named *named, const void *name, size_t size)
{
    memset(named, 0, sizeof *named);
    named->name_size = (uint8_t)size;
    memcpy(named->name, name, size);
}

/* FNV-1a from a random start, and the finisher of MurmurHash3 as in common/map.c. */
static uint32_t home_of(const struct names *names, const void *name, size_t size)
{
    const uint8_t *at = name;
    uint64_t hash = names->secret ^ 0xcbf29ce484222325ull;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * 0x100000001b3ull;
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdull;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53ull;
    return (uint32_t)(hash ^ hash >> 33) & (names->slot_count - 1);
}

static bool is_named(const struct named *named, const void *name, size_t size)
{
    return named->name_size == size && memcmp(named->name, name, size) == 0;
}

/* The slot that has the name, or the free one where it would go. There is always a free one. */
static uint32_t find(const struct names *names, const void *name, size_t size)
{
    uint32_t slot = home_of(names, name, size);
    while (names->slots[slot] && !is_named(names->slots[slot], name, size))
        slot = (slot + 1) & (names->slot_count - 1);
    return slot;
}

struct named *names_get(const struct names *names, const void *name, size_t size)
{
    return names->slot_count ? names->slots[find(names, name, size)] : NULL;
}

static bool grow(struct names *names)
{
    struct names larger = *names;
    larger.slot_count = names->slot_count ? names->slot_count * 2 : SLOTS_MIN;
    larger.slots = calloc(larger.slot_count, sizeof(struct named *));
    if (!larger.slots)
        return false;
    for (uint32_t i = 0; i < names->slot_count; i++) {
        struct named *named = names->slots[i];
        if (named)
            larger.slots[find(&larger, named->name, named->name_size)] = named;
    }
    free(names->slots);
    *names = larger;
    return true;
}

bool names_put(struct names *names, struct named *named)
{
    if (names->count >= names->count_max)
        return false;
    if (names->count + 1 > names->slot_count / 4 * 3 && !grow(names))
        return false;
    names->slots[find(names, named->name, named->name_size)] = named;
    names->count++;
    return true;
}

struct named *names_remove(struct names *names, const void *name, size_t size)
{
    if (!names->slot_count)
        return NULL;
    uint32_t hole = find(names, name, size);
    struct named *removed = names->slots[hole];
    if (!removed)
        return NULL;
    /* Close the gap: whoever was pushed past the hole moves into it. */
    uint32_t mask = names->slot_count - 1;
    for (uint32_t next = (hole + 1) & mask; names->slots[next]; next = (next + 1) & mask) {
        uint32_t home = home_of(names, names->slots[next]->name, names->slots[next]->name_size);
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            names->slots[hole] = names->slots[next];
            hole = next;
        }
    }
    names->slots[hole] = NULL;
    names->count--;
    return removed;
}
