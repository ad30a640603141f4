/* The form of the state file: a header, then records, each of which says what one name's value is from then on.
 *
 *     header   "careof-state 1\n" NUL, salt (16 random octets, other ones in every file)
 *     record   checksum (16), size of the value (u32), kind (u8), size of the name (u8), name, value
 *
 * A record's checksum is the beginning of HMAC-SHA-256, with the salt as its key, of the record's number in the file
 * (u64, from 0) and all of the record behind the checksum. So a record that was cut off or damaged is none, and
 * neither is one of an older file that lies where this one ends. Reading goes up to the first that is none. */
#ifndef CAREOF_JOURNAL_H
#define CAREOF_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "names.h"

enum { JOURNAL_HEADER_SIZE = 32, JOURNAL_SALT_SIZE = 16, RECORD_HEAD_SIZE = 22 };

enum record_kind { RECORD_VALUE = 1, RECORD_FORGET = 2 };

struct journal {
    uint8_t salt[JOURNAL_SALT_SIZE];
    uint64_t number; /* of the next record */
};

struct record {
    enum record_kind kind;
    const char *name;
    size_t name_size;
    const uint8_t *value;
    size_t value_size;
};

/* Begins a file: JOURNAL_HEADER_SIZE octets. */
void journal_begin(struct journal *journal, const uint8_t salt[JOURNAL_SALT_SIZE], uint8_t *to);

static inline size_t journal_record_size(size_t name_size, size_t value_size)
{
    return RECORD_HEAD_SIZE + name_size + value_size;
}

/* journal_record_size() octets of the next record. */
void journal_put(struct journal *journal, const struct record *record, uint8_t *to);

enum journal_result {
    JOURNAL_WHOLE,   /* to its last octet */
    JOURNAL_CUT,     /* up to `good_size`; behind that, no record */
    JOURNAL_FOREIGN, /* not a state file of ours, */
    JOURNAL_OTHER,   /* or of another version */
    JOURNAL_STOPPED, /* take() returned false */
};

/* Reads a file that is in memory (and is written to on the way). */
enum journal_result journal_read(struct journal *journal, uint8_t *data, size_t size,
                                 bool (*take)(void *owner, const struct record *record), void *owner,
                                 size_t *good_size);

#endif
