#include "keys.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

struct key_chunk {
    struct key_chunk *next;
    size_t used; /* keys that were ever in use */
    struct key keys[];
};

enum { KEYS_PER_CHUNK = (KEY_CHUNK_SIZE - sizeof(struct key_chunk)) / sizeof(struct key) };

const char keys_algorithm_names[] = "hmac-md5, hmac-sha1, hmac-sha256, hmac-sha384, hmac-sha512";

bool keys_algorithm_named(const char *text, size_t size, enum crypto_hash *hash)
{
    static const char *const names[CRYPTO_HASHES] = {"hmac-md5", "hmac-sha1", "hmac-sha256", "hmac-sha384",
                                                     "hmac-sha512"};
    for (int i = 0; i < CRYPTO_HASHES; i++) {
        if (strlen(names[i]) == size && memcmp(names[i], text, size) == 0) {
            *hash = (enum crypto_hash)i;
            return true;
        }
    }
    return false;
}

void keys_begin(struct keys *keys, uint64_t secret)
{
    *keys = (struct keys){.locked = true};
    names_begin(&keys->names, KEYS_MAX, secret);
}

void keys_end(struct keys *keys)
{
    while (keys->chunks) {
        struct key_chunk *chunk = keys->chunks;
        keys->chunks = chunk->next;
        crypto_wipe(chunk, KEY_CHUNK_SIZE);
        munmap(chunk, KEY_CHUNK_SIZE);
    }
    keys->free = NULL;
    names_end(&keys->names);
}

const struct key *keys_get(const struct keys *keys, const void *name, size_t size)
{
    return (const struct key *)names_get(&keys->names, name, size);
}

/* A free key says in the place of its secret which is the next. */
static void give_back(struct keys *keys, struct key *key)
{
    crypto_wipe(key, sizeof *key);
    memcpy(key->secret, &keys->free, sizeof keys->free);
    keys->free = key;
}

static struct key *free_key(struct keys *keys)
{
    struct key *key = keys->free;
    if (key) {
        memcpy(&keys->free, key->secret, sizeof keys->free);
        return key;
    }
    if (!keys->chunks || keys->chunks->used == KEYS_PER_CHUNK) {
        struct key_chunk *chunk =
            mmap(NULL, KEY_CHUNK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (chunk == MAP_FAILED)
            return NULL;
        keys->locked = mlock(chunk, KEY_CHUNK_SIZE) == 0 && keys->locked;
        madvise(chunk, KEY_CHUNK_SIZE, MADV_DONTDUMP);
        chunk->next = keys->chunks;
        keys->chunks = chunk;
    }
    return &keys->chunks->keys[keys->chunks->used++];
}

bool keys_put(struct keys *keys, const void *name, size_t size, enum crypto_hash hash, const uint8_t *secret,
              size_t secret_size)
{
    struct key *key = (struct key *)names_get(&keys->names, name, size);
    if (!key) {
        errno = keys->names.count >= KEYS_MAX ? ENOSPC : ENOMEM;
        if (keys->names.count >= KEYS_MAX || !(key = free_key(keys)))
            return false;
        named_set(&key->named, name, size);
        if (!names_put(&keys->names, &key->named)) {
            give_back(keys, key);
            errno = ENOMEM;
            return false;
        }
    }
    crypto_wipe(key->secret, sizeof key->secret);
    memcpy(key->secret, secret, secret_size);
    key->secret_size = (uint8_t)secret_size;
    key->hash = (uint8_t)hash;
    return true;
}

bool keys_drop(struct keys *keys, const void *name, size_t size)
{
    struct key *key = (struct key *)names_remove(&keys->names, name, size);
    if (key)
        give_back(keys, key);
    return key != NULL;
}
