#include "journal.h"

#include <string.h>

#include "buf.h"
#include "crypto.h"
#include "limits.h"

enum { CHECKSUM_SIZE = 16, NUMBER_SIZE = 8 };
enum { MAGIC_NAME_SIZE = 13 };
static const char magic[16] = "careof-state 1\n"; /* a name, a space, the version of the form */

void journal_begin(struct journal *journal, const uint8_t salt[JOURNAL_SALT_SIZE], uint8_t *to)
{
    memcpy(journal->salt, salt, JOURNAL_SALT_SIZE);
    journal->number = 0;
    memcpy(to, magic, sizeof magic);
    memcpy(to + sizeof magic, salt, JOURNAL_SALT_SIZE);
}

/* The number is hashed where it lies for a moment: in the second half of the checksum's own place. */
static bool checksum(const struct journal *journal, uint8_t *record, size_t size, uint8_t sum[CRYPTO_HASH_SIZE_MAX])
{
    uint8_t *from = record + CHECKSUM_SIZE - NUMBER_SIZE;
    struct writer writer = writer_of(from, NUMBER_SIZE);
    writer_uint(&writer, journal->number, NUMBER_SIZE, "number");
    return crypto_hmac(CRYPTO_SHA256, journal->salt, JOURNAL_SALT_SIZE, from, size - CHECKSUM_SIZE + NUMBER_SIZE, sum);
}

void journal_put(struct journal *journal, const struct record *record, uint8_t *to)
{
    uint8_t sum[CRYPTO_HASH_SIZE_MAX] = {0};
    size_t size = journal_record_size(record->name_size, record->value_size);
    struct writer writer = writer_of(to + CHECKSUM_SIZE, size - CHECKSUM_SIZE);
    writer_uint(&writer, record->value_size, 4, "size");
    writer_uint(&writer, record->kind, 1, "kind");
    writer_uint(&writer, record->name_size, 1, "name");
    writer_octets(&writer, record->name, record->name_size, "name");
    writer_octets(&writer, record->value, record->value_size, "value");
    checksum(journal, to, size, sum); /* without it the record is none, as it would be cut off */
    memcpy(to, sum, CHECKSUM_SIZE);
    journal->number++;
}

/* The record at `at`; 0 if there is none, else its size. */
static size_t read_record(struct journal *journal, uint8_t *at, size_t left, struct record *record)
{
    uint8_t sum[CRYPTO_HASH_SIZE_MAX], told[CHECKSUM_SIZE];
    struct reader reader = reader_of(at, left);
    reader_take(&reader, CHECKSUM_SIZE, "checksum");
    record->value_size = (size_t)reader_uint(&reader, 4, "size");
    uint8_t kind = (uint8_t)reader_uint(&reader, 1, "kind");
    record->name_size = (size_t)reader_uint(&reader, 1, "name");
    record->name = (const char *)reader_take(&reader, record->name_size, "name");
    record->value = reader_take(&reader, record->value_size, "value");
    if (reader.bad || record->name_size == 0 || record->name_size > NAME_SIZE_MAX || record->value_size > VALUE_SIZE_MAX ||
        (kind != RECORD_VALUE && kind != RECORD_FORGET))
        return 0;
    record->kind = (enum record_kind)kind;
    size_t size = journal_record_size(record->name_size, record->value_size);
    memcpy(told, at, CHECKSUM_SIZE);
    bool same = checksum(journal, at, size, sum) && memcmp(sum, told, CHECKSUM_SIZE) == 0;
    memcpy(at, told, CHECKSUM_SIZE);
    return same ? size : 0;
}

enum journal_result journal_read(struct journal *journal, uint8_t *data, size_t size,
                                 bool (*take)(void *owner, const struct record *record), void *owner,
                                 size_t *good_size)
{
    *good_size = 0;
    if (size < JOURNAL_HEADER_SIZE || memcmp(data, magic, MAGIC_NAME_SIZE))
        return JOURNAL_FOREIGN;
    if (memcmp(data, magic, sizeof magic))
        return JOURNAL_OTHER;
    memcpy(journal->salt, data + sizeof magic, JOURNAL_SALT_SIZE);
    journal->number = 0;
    size_t at = JOURNAL_HEADER_SIZE;
    while (at < size) {
        struct record record;
        size_t record_size = read_record(journal, data + at, size - at, &record);
        *good_size = at;
        if (!record_size)
            return JOURNAL_CUT;
        if (!take(owner, &record))
            return JOURNAL_STOPPED;
        journal->number++;
        at += record_size;
    }
    *good_size = at;
    return JOURNAL_WHOLE;
}
