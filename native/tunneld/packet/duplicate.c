#include "duplicate.h"

#include <string.h>

#include "bytes.h"
#include "fields.h"

enum {
    SETS = DUPLICATE_ENTRIES / DUPLICATE_WAYS,
    IDENTITY_SIZE = 16 + DUPLICATE_PAYLOAD_SIZE,
};

_Static_assert((SETS & (SETS - 1)) == 0, "a mask picks the set");
_Static_assert(IDENTITY_SIZE % 8 == 0, "hashed in whole words");

static uint64_t rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein 2012; the variant of hash tables) of whole words, in the machine's
 * byte order: the hash never leaves the process. */
static uint64_t sip_hash(const uint64_t key[2], const uint8_t data[IDENTITY_SIZE])
{
    uint64_t v[4] = {
        key[0] ^ 0x736f6d6570736575,
        key[1] ^ 0x646f72616e646f6d,
        key[0] ^ 0x6c7967656e657261,
        key[1] ^ 0x7465646279746573,
    };
    for (int at = 0; at < IDENTITY_SIZE; at += 8) {
        uint64_t word = load_raw64(data + at);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t length = (uint64_t)IDENTITY_SIZE << 56;
    v[3] ^= length;
    sip_round(v);
    v[0] ^= length;
    v[2] ^= 0xff;
    for (int round = 0; round < 3; round++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t identity(const struct duplicate_table *table, const struct ipv4_view *view)
{
    uint8_t data[IDENTITY_SIZE] = {0};
    size_t payload = (size_t)view->size - view->header_size;
    memcpy(data, view->at + IPV4_SOURCE_AT, 8);
    memcpy(data + 8, view->at + IPV4_TOTAL_LENGTH_AT, 6); /* and identification, fragment field */
    data[14] = view->protocol;
    data[15] = view->header_size;
    memcpy(data + 16, view->at + view->header_size,
           payload < DUPLICATE_PAYLOAD_SIZE ? payload : DUPLICATE_PAYLOAD_SIZE);
    uint64_t hash = sip_hash(table->key, data);
    return hash ? hash : 1;
}

void duplicate_begin(struct duplicate_table *table, const uint8_t key[16])
{
    memset(table, 0, sizeof *table);
    memcpy(table->key, key, sizeof table->key);
}

static bool is_live(const struct duplicate_entry *entry, uint32_t now_ms)
{
    return entry->hash != 0 && now_ms - entry->time_ms <= DUPLICATE_WINDOW_MS;
}

/* Has it come by others only? From now on by this path too. */
static bool is_new_copy(struct duplicate_entry *entry, uint32_t path)
{
    for (uint8_t i = 0; i < entry->path_count; i++)
        if (entry->paths[i] == path)
            return false;
    if (entry->path_count < DUPLICATE_PATHS)
        entry->paths[entry->path_count++] = path;
    return true;
}

bool duplicate_seen(struct duplicate_table *table, const struct ipv4_view *view, uint32_t path, uint64_t now_ms)
{
    uint64_t hash = identity(table, view);
    uint32_t now = (uint32_t)now_ms; /* ages are differences, so the wrap after 49 days is harmless */
    struct duplicate_entry *set = &table->entries[(hash & (SETS - 1)) * DUPLICATE_WAYS];
    int room = DUPLICATE_WAYS - 1; /* the oldest's, unless one is free */
    for (int way = DUPLICATE_WAYS - 1; way >= 0; way--) {
        if (!is_live(&set[way], now)) {
            set[way].hash = 0;
            room = way;
        } else if (set[way].hash == hash && is_new_copy(&set[way], path)) {
            return true;
        }
    }
    memmove(set + 1, set, (size_t)room * sizeof *set); /* newest first */
    set[0] = (struct duplicate_entry){.hash = hash, .time_ms = now, .paths = {path}, .path_count = 1};
    return false;
}
