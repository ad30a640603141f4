/* A hash table from a name to what has that name: open addressing, linear probing, at most 3/4 full, growing by
 * doubling up to its bound. What is in it begins with a struct named. */
#ifndef CAREOF_NAMES_H
#define CAREOF_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NAME_SIZE_MAX = 63 };

struct named {
    uint8_t name_size;
    char name[NAME_SIZE_MAX];
};

struct names {
    struct named **slots;
    uint32_t slot_count; /* a power of two, or 0 */
    uint32_t count, count_max;
    uint64_t secret;
};

void names_begin(struct names *names, uint32_t count_max, uint64_t secret);
/* Forgets all; what had the names is not touched. */
void names_end(struct names *names);

void named_set(struct named *named, const void *name, size_t size);

struct named *names_get(const struct names *names, const void *name, size_t size);

/* Nothing of that name may be there. False when it is full or there is no memory. */
bool names_put(struct names *names, struct named *named);

/* What was there, or NULL. */
struct named *names_remove(struct names *names, const void *name, size_t size);

#endif
