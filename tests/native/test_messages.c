/* The C codec against the golden vectors that the Python one is held to (tests/unit/golden/tunneld.txt, keyd.txt):
 * built once for each table. */
#include <stdbool.h>

#include "messages.h"

#include "test.h"

enum { LINE_MAX_ = 2048 };
static const uint32_t number = 0xfedcba98;
static const char *golden_path;

static size_t from_hex(const char *text, uint8_t *octets)
{
    size_t size = 0;
    for (unsigned octet; sscanf(text, "%2x", &octet) == 1; text += 2)
        octets[size++] = (uint8_t)octet;
    return size;
}

static size_t octets_text(char *to, const uint8_t *at, size_t size)
{
    char *begin = to;
    for (size_t i = 0; i < size; i++)
        to += sprintf(to, "%02x", at[i]);
    return (size_t)(to - begin);
}

/* The value of a field as the file says it. */
static void field_text(char *to, const struct message_field *field, const void *values)
{
    const void *at = (const char *)values + field->offset;
    const struct message_list *list = at;
    const struct message_octets *octets = at;
    *to = 0;
    switch (field->type) {
    case FIELD_U8:
        sprintf(to, "%u", *(const uint8_t *)at);
        break;
    case FIELD_U16:
        sprintf(to, "%u", *(const uint16_t *)at);
        break;
    case FIELD_U32:
        sprintf(to, "%" PRIu32, *(const uint32_t *)at);
        break;
    case FIELD_U64:
        sprintf(to, "%" PRIu64, *(const uint64_t *)at);
        break;
    case FIELD_IP:
        sprintf(to, "%08" PRIx32, *(const uint32_t *)at);
        break;
    case FIELD_MAC:
        octets_text(to, at, MESSAGE_MAC_SIZE);
        break;
    case FIELD_DEVICE:
        strcpy(to, at);
        break;
    case FIELD_LIST32:
        for (uint16_t i = 0; i < list->count; i++)
            to += sprintf(to, "%s%" PRIu32, i ? "," : "", message_list_at(*list, i));
        break;
    case FIELD_NAME:
        sprintf(to, "%.*s", (int)octets->size, (const char *)octets->at);
        break;
    case FIELD_SHORT:
    case FIELD_OCTETS:
        octets_text(to, octets->at, octets->size);
        break;
    }
}

static void check_vector(char *line)
{
    uint8_t octets[LINE_MAX_], again[LINE_MAX_];
    struct message message;
    const char *bad;
    char *name = strtok(line, " \n"), *hex = strtok(NULL, " \n");
    size_t size = from_hex(hex, octets);
    memset(&message, 0, sizeof message);
    CHECK_EQUAL(codec_unpack(message_rows, MESSAGE_ROW_COUNT, octets, size, &message.header, &message.as, &bad),
                CODEC_FINE);
    CHECK_EQUAL(message.header.number, number);
    const struct message_row *row = codec_row(message_rows, MESSAGE_ROW_COUNT, message.header.kind);
    CHECK(row && strcmp(row->name, name) == 0);
    if (!row)
        return;
    for (uint8_t i = 0; i < row->field_count; i++) {
        char is[LINE_MAX_], wanted[LINE_MAX_], value[LINE_MAX_];
        field_text(value, &row->fields[i], &message.as);
        snprintf(is, sizeof is, "%s=%.1900s", row->fields[i].name, value);
        const char *told = strtok(NULL, " \n");
        snprintf(wanted, sizeof wanted, "%s", told ? told : "nothing");
        CHECK(strcmp(is, wanted) == 0);
    }
    CHECK(strtok(NULL, " \n") == NULL);
    CHECK_EQUAL(codec_pack(row, number, &message.as, again, sizeof again), size);
    CHECK_OCTETS(again, octets, size);
    CHECK_EQUAL(codec_pack(row, number, &message.as, again, size - 1), 0);
    for (size_t cut = 0; cut < size; cut++)
        CHECK(codec_unpack(message_rows, MESSAGE_ROW_COUNT, octets, cut, &message.header, &message.as, &bad) !=
              CODEC_FINE);
}

static void test_golden_vectors(void)
{
    char line[LINE_MAX_];
    unsigned count = 0;
    FILE *file = fopen(golden_path, "r");
    CHECK(file != NULL);
    while (file && fgets(line, sizeof line, file)) {
        check_vector(line);
        count++;
    }
    if (file)
        fclose(file);
    CHECK_EQUAL(count, MESSAGE_ROW_COUNT);
}

static void test_unknown_kinds_are_told_from_malformed_ones(void)
{
    struct message message;
    const char *bad;
    const uint8_t unknown[] = {0x7f, 0xff, 0, 8, 0, 0, 0, 1}, short_one[] = {0, 1, 0, 8, 0, 0, 0, 1};
    CHECK_EQUAL(codec_unpack(message_rows, MESSAGE_ROW_COUNT, unknown, sizeof unknown, &message.header, &message.as, &bad),
                CODEC_UNKNOWN);
    CHECK_EQUAL(
        codec_unpack(message_rows, MESSAGE_ROW_COUNT, short_one, sizeof short_one, &message.header, &message.as, &bad),
        CODEC_FIELD);
    CHECK(strcmp(bad, "version") == 0);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    golden_path = argv[1];
    TEST(test_golden_vectors);
    TEST(test_unknown_kinds_are_told_from_malformed_ones);
    return test_result();
}
