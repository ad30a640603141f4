/* The checked cursors: the only place in C where lengths from outside are checked.
 *
 * Both are sticky: after the first field that does not fit, `bad` names it, nothing more is read or
 * written and what is returned is zero. So a caller reads a whole message and asks once. */
#ifndef CAREOF_BUF_H
#define CAREOF_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
    const uint8_t *at;
    size_t left;
    const char *bad; /* the first field that was not there, or NULL */
};

static inline struct reader reader_of(const uint8_t *data, size_t size)
{
    return (struct reader){.at = data, .left = size};
}

/* The next `size` octets where they lie, or NULL. */
static inline const uint8_t *reader_take(struct reader *reader, size_t size, const char *field)
{
    if (reader->bad || size > reader->left) {
        if (!reader->bad)
            reader->bad = field;
        return NULL;
    }
    const uint8_t *at = reader->at;
    reader->at += size;
    reader->left -= size;
    return at;
}

/* An unsigned integer of 1 to 8 octets in network order. */
static inline uint64_t reader_uint(struct reader *reader, size_t size, const char *field)
{
    const uint8_t *at = reader_take(reader, size, field);
    uint64_t value = 0;
    for (size_t i = 0; at && i < size; i++)
        value = value << 8 | at[i];
    return value;
}

/* Nothing may be left. */
static inline void reader_end(struct reader *reader)
{
    if (!reader->bad && reader->left)
        reader->bad = "end";
}

struct writer {
    uint8_t *at;
    size_t left;
    const char *bad;
};

static inline struct writer writer_of(uint8_t *data, size_t size)
{
    return (struct writer){.at = data, .left = size};
}

static inline void writer_octets(struct writer *writer, const void *octets, size_t size, const char *field)
{
    if (writer->bad || size > writer->left) {
        if (!writer->bad)
            writer->bad = field;
        return;
    }
    if (size)
        memcpy(writer->at, octets, size);
    writer->at += size;
    writer->left -= size;
}

static inline void writer_uint(struct writer *writer, uint64_t value, size_t size, const char *field)
{
    uint8_t octets[8];
    for (size_t i = 0; i < size; i++)
        octets[i] = (uint8_t)(value >> 8 * (size - 1 - i));
    writer_octets(writer, octets, size, field);
}

#endif
