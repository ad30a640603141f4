/* Keys by name. They lie in memory of their own, which is locked where that is allowed, left out of dumps, and
 * wiped before it is given back; a key that is dropped or replaced is wiped at once. */
#ifndef CAREOF_KEYS_H
#define CAREOF_KEYS_H

#include "crypto.h"
#include "limits.h"
#include "names.h"

struct key {
    struct named named;
    uint8_t hash; /* enum crypto_hash: what it is for */
    uint8_t secret_size;
    uint8_t secret[SECRET_SIZE_MAX];
};

struct key_chunk;

struct keys {
    struct names names;
    struct key_chunk *chunks;
    struct key *free;
    bool locked; /* all of it is */
};

void keys_begin(struct keys *keys, uint64_t secret);
/* Wipes them all. */
void keys_end(struct keys *keys);

const struct key *keys_get(const struct keys *keys, const void *name, size_t size);

/* Adds a key or takes the place of the one of that name. False with errno set, and nothing changed, when there are
 * KEYS_MAX (ENOSPC) or no memory. */
bool keys_put(struct keys *keys, const void *name, size_t size, enum crypto_hash hash, const uint8_t *secret,
              size_t secret_size);

/* False if there is none. */
bool keys_drop(struct keys *keys, const void *name, size_t size);

/* The hash of "hmac-sha256" and its like; false if there is none. Names of all, for an error. */
bool keys_algorithm_named(const char *text, size_t size, enum crypto_hash *hash);
extern const char keys_algorithm_names[];

#endif
