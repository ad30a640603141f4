/* Messages between careofd and the C processes: one interpreter for the rows that make_messages.py makes from
 * the tables firmware/careof/wire/tunneld.py and keyd.py (what each message is for; messages.py: the format).
 *
 * A field's value in the C structure, by its type:
 *   u8 u16 u32 u64   an unsigned integer of that size
 *   ip               uint32_t, host order
 *   mac              uint8_t[6]
 *   device           char[16], NUL-terminated and padded
 *   list32           struct message_list, a view of the datagram
 *   name, short      struct message_octets, a view of the datagram; a name is checked, and has no NUL
 *   octets           the same */
#ifndef CAREOF_CODEC_H
#define CAREOF_CODEC_H

#include <stddef.h>
#include <stdint.h>

enum {
    MESSAGE_HEADER_SIZE = 8,
    MESSAGE_SIZE_MAX = 65535,
    MESSAGE_DEVICE_SIZE = 16,
    MESSAGE_MAC_SIZE = 6,
    MESSAGE_NAME_SIZE_MAX = 63,
};

enum message_type {
    FIELD_U8,
    FIELD_U16,
    FIELD_U32,
    FIELD_U64,
    FIELD_IP,
    FIELD_MAC,
    FIELD_DEVICE,
    FIELD_LIST32,
    FIELD_NAME,
    FIELD_SHORT,
    FIELD_OCTETS,
};

enum message_direction { MESSAGE_DOWN, MESSAGE_UP }; /* to the C process, to careofd */

struct message_list {
    const uint8_t *octets; /* count u32 in network order */
    uint16_t count;
};

struct message_octets {
    const uint8_t *at;
    size_t size;
};

static inline uint32_t message_list_at(struct message_list list, uint16_t index)
{
    const uint8_t *at = list.octets + (size_t)index * 4;
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

struct message_field {
    const char *name;
    enum message_type type;
    uint16_t offset; /* in the row's structure */
};

struct message_row {
    const char *name;
    const struct message_field *fields;
    uint16_t kind;
    uint8_t field_count;
    enum message_direction direction;
};

struct message_header {
    uint16_t kind;
    uint32_t number;
};

enum codec_error {
    CODEC_FINE = 0,
    CODEC_LENGTH,  /* shorter than a header, or not as long as it says */
    CODEC_UNKNOWN, /* no such kind */
    CODEC_FIELD,   /* a field is not there, too much is there, or not what its type says */
};

/* Decode one datagram into `values`, the structure of its row (the caller gives room for any). Views
 * point into `data`. `bad` is set to what was wrong, for a log line. */
enum codec_error codec_unpack(const struct message_row *rows, size_t row_count, const uint8_t *data, size_t size,
                              struct message_header *header, void *values, const char **bad);

/* The octets written, or 0 if they do not fit `room` or the length field. */
size_t codec_pack(const struct message_row *row, uint32_t number, const void *values, uint8_t *data, size_t room);

/* The size that the first message of a datagram with several says it has, at least a header's and at most `size`;
 * 0 if it lies. */
size_t codec_first_size(const uint8_t *data, size_t size);

const struct message_row *codec_row(const struct message_row *rows, size_t row_count, uint16_t kind);

#endif
