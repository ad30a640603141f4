#include "codec.h"

#include <string.h>

#include "buf.h"

const struct message_row *codec_row(const struct message_row *rows, size_t row_count, uint16_t kind)
{
    for (size_t i = 0; i < row_count; i++)
        if (rows[i].kind == kind)
            return &rows[i];
    return NULL;
}

static void store_uint(void *to, enum message_type type, uint64_t value)
{
    switch (type) {
    case FIELD_U8:
        *(uint8_t *)to = (uint8_t)value;
        break;
    case FIELD_U16:
        *(uint16_t *)to = (uint16_t)value;
        break;
    case FIELD_U64:
        *(uint64_t *)to = value;
        break;
    default:
        *(uint32_t *)to = (uint32_t)value;
    }
}

static uint64_t load_uint(const void *from, enum message_type type)
{
    switch (type) {
    case FIELD_U8:
        return *(const uint8_t *)from;
    case FIELD_U16:
        return *(const uint16_t *)from;
    case FIELD_U64:
        return *(const uint64_t *)from;
    default:
        return *(const uint32_t *)from;
    }
}

static size_t uint_size(enum message_type type)
{
    return type == FIELD_U8 ? 1 : type == FIELD_U16 ? 2 : type == FIELD_U64 ? 8 : 4;
}

/* Only trailing NULs, at least one of them. */
static void unpack_device(struct reader *reader, char *to, const char *field)
{
    const uint8_t *at = reader_take(reader, MESSAGE_DEVICE_SIZE, field);
    memset(to, 0, MESSAGE_DEVICE_SIZE);
    if (!at)
        return;
    size_t size = strnlen((const char *)at, MESSAGE_DEVICE_SIZE);
    for (size_t i = size; i < MESSAGE_DEVICE_SIZE; i++)
        if (at[i])
            reader->bad = field;
    if (size == MESSAGE_DEVICE_SIZE)
        reader->bad = field;
    else
        memcpy(to, at, size);
}

static void unpack_name(struct reader *reader, struct message_octets *name, const char *field)
{
    name->size = (size_t)reader_uint(reader, 1, field);
    name->at = reader_take(reader, name->size, field);
    if (!name->at || name->size == 0 || name->size > MESSAGE_NAME_SIZE_MAX)
        reader->bad = reader->bad ? reader->bad : field;
    for (size_t i = 0; !reader->bad && i < name->size; i++)
        if (name->at[i] <= ' ' || name->at[i] >= 0x7f)
            reader->bad = field;
}

static void unpack_field(struct reader *reader, const struct message_field *field, void *to)
{
    switch (field->type) {
    case FIELD_DEVICE:
        unpack_device(reader, to, field->name);
        break;
    case FIELD_MAC: {
        const uint8_t *at = reader_take(reader, MESSAGE_MAC_SIZE, field->name);
        if (at)
            memcpy(to, at, MESSAGE_MAC_SIZE);
        else
            memset(to, 0, MESSAGE_MAC_SIZE);
        break;
    }
    case FIELD_LIST32: {
        struct message_list *list = to;
        list->count = (uint16_t)reader_uint(reader, 2, field->name);
        list->octets = reader_take(reader, (size_t)list->count * 4, field->name);
        break;
    }
    case FIELD_NAME:
        unpack_name(reader, to, field->name);
        break;
    case FIELD_SHORT: {
        struct message_octets *octets = to;
        octets->size = (size_t)reader_uint(reader, 1, field->name);
        octets->at = reader_take(reader, octets->size, field->name);
        break;
    }
    case FIELD_OCTETS: {
        struct message_octets *octets = to;
        octets->size = reader->left;
        octets->at = reader_take(reader, octets->size, field->name);
        break;
    }
    default:
        store_uint(to, field->type, reader_uint(reader, uint_size(field->type), field->name));
    }
}

enum codec_error codec_unpack(const struct message_row *rows, size_t row_count, const uint8_t *data, size_t size,
                              struct message_header *header, void *values, const char **bad)
{
    struct reader reader = reader_of(data, size);
    header->kind = (uint16_t)reader_uint(&reader, 2, "kind");
    size_t length = (size_t)reader_uint(&reader, 2, "length");
    header->number = (uint32_t)reader_uint(&reader, 4, "number");
    *bad = "length";
    if (reader.bad || length != size)
        return CODEC_LENGTH;
    const struct message_row *row = codec_row(rows, row_count, header->kind);
    *bad = "kind";
    if (!row)
        return CODEC_UNKNOWN;
    for (size_t i = 0; i < row->field_count; i++)
        unpack_field(&reader, &row->fields[i], (char *)values + row->fields[i].offset);
    reader_end(&reader);
    *bad = reader.bad;
    return reader.bad ? CODEC_FIELD : CODEC_FINE;
}

static void pack_field(struct writer *writer, const struct message_field *field, const void *from)
{
    switch (field->type) {
    case FIELD_DEVICE:
        writer_octets(writer, from, MESSAGE_DEVICE_SIZE, field->name);
        break;
    case FIELD_MAC:
        writer_octets(writer, from, MESSAGE_MAC_SIZE, field->name);
        break;
    case FIELD_LIST32: {
        const struct message_list *list = from;
        writer_uint(writer, list->count, 2, field->name);
        writer_octets(writer, list->octets, (size_t)list->count * 4, field->name);
        break;
    }
    case FIELD_NAME:
    case FIELD_SHORT: {
        const struct message_octets *octets = from;
        if (octets->size > (field->type == FIELD_NAME ? MESSAGE_NAME_SIZE_MAX : 255))
            writer->bad = writer->bad ? writer->bad : field->name;
        writer_uint(writer, octets->size, 1, field->name);
        writer_octets(writer, octets->at, octets->size, field->name);
        break;
    }
    case FIELD_OCTETS: {
        const struct message_octets *octets = from;
        writer_octets(writer, octets->at, octets->size, field->name);
        break;
    }
    default:
        writer_uint(writer, load_uint(from, field->type), uint_size(field->type), field->name);
    }
}

size_t codec_first_size(const uint8_t *data, size_t size)
{
    struct reader reader = reader_of(data, size);
    reader_uint(&reader, 2, "kind");
    size_t length = (size_t)reader_uint(&reader, 2, "length");
    return reader.bad || length < MESSAGE_HEADER_SIZE || length > size ? 0 : length;
}

size_t codec_pack(const struct message_row *row, uint32_t number, const void *values, uint8_t *data, size_t room)
{
    struct writer writer = writer_of(data, room < MESSAGE_SIZE_MAX ? room : MESSAGE_SIZE_MAX);
    writer_uint(&writer, row->kind, 2, "kind");
    writer_uint(&writer, 0, 2, "length");
    writer_uint(&writer, number, 4, "number");
    for (size_t i = 0; i < row->field_count; i++)
        pack_field(&writer, &row->fields[i], (const char *)values + row->fields[i].offset);
    if (writer.bad)
        return 0;
    size_t length = (size_t)(writer.at - data);
    struct writer again = writer_of(data + 2, 2);
    writer_uint(&again, length, 2, "length");
    return length;
}
