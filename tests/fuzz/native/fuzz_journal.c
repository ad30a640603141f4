/* State files: anything at all, and right ones that were cut off or spoilt anywhere. What is read of them are the
 * records from the first on, as they were written, up to the first that is touched.
 *
 * input:  mode, then either the file, or:  where16 how, then records: kind8 name-size8 value-size8 name value */
#include "buf.h"
#include "crypto.h"
#include "fuzz.h"
#include "journal.h"

enum { MODE_ANYTHING, MODE_CUT, MODE_SPOILT, MODES };
enum { RECORDS = 64, ROOM = JOURNAL_HEADER_SIZE + RECORDS * (RECORD_HEAD_SIZE + 64 + 256) };

static struct record written[RECORDS];
static size_t ends[RECORDS + 1]; /* of the file after so many records */
static size_t count, read_back;

static bool take(void *owner, const struct record *record)
{
    (void)owner;
    if (count) {
        const struct record *was = &written[read_back];
        PROMISE(read_back < count && record->kind == was->kind && record->name_size == was->name_size &&
                record->value_size == was->value_size);
        PROMISE(memcmp(record->name, was->name, was->name_size) == 0);
        PROMISE(was->value_size == 0 || memcmp(record->value, was->value, was->value_size) == 0);
    }
    read_back++;
    return true;
}

static size_t write_file(struct reader *input, uint8_t *to)
{
    static const uint8_t salt[JOURNAL_SALT_SIZE] = {1, 2, 3};
    struct journal journal;
    journal_begin(&journal, salt, to);
    ends[0] = JOURNAL_HEADER_SIZE;
    for (count = 0; count < RECORDS; count++) {
        struct record *record = &written[count];
        record->kind = reader_uint(input, 1, "kind") & 1 ? RECORD_VALUE : RECORD_FORGET;
        record->name_size = 1 + (size_t)reader_uint(input, 1, "name") % NAME_SIZE_MAX;
        record->value_size = (size_t)reader_uint(input, 1, "value");
        record->name = (const char *)reader_take(input, record->name_size, "name");
        record->value = reader_take(input, record->value_size, "value");
        if (input->bad)
            break;
        journal_put(&journal, record, to + ends[count]);
        ends[count + 1] = ends[count] + journal_record_size(record->name_size, record->value_size);
    }
    return ends[count];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool begun;
    struct journal journal;
    const char *what;
    struct reader input = reader_of(data, size);
    uint8_t mode = (uint8_t)reader_uint(&input, 1, "mode") % MODES;
    size_t good_size, file_size = input.left, touched = SIZE_MAX;
    PROMISE(begun || (begun = crypto_begin(&what)));
    count = read_back = 0;
    uint8_t *file = malloc(ROOM + size);
    PROMISE(file);
    if (mode == MODE_ANYTHING) {
        if (file_size)
            memcpy(file, input.at, file_size);
    } else {
        size_t where = (size_t)reader_uint(&input, 2, "where");
        uint8_t how = (uint8_t)reader_uint(&input, 1, "how");
        file_size = write_file(&input, file);
        touched = JOURNAL_HEADER_SIZE + where % (file_size - JOURNAL_HEADER_SIZE + 1);
        if (mode == MODE_CUT)
            file_size = touched;
        else if (touched < file_size && how)
            file[touched] ^= how;
        else
            touched = file_size;
    }
    uint8_t *exact = fuzz_copy(file, file_size);
    enum journal_result result = journal_read(&journal, exact, file_size, take, NULL, &good_size);
    PROMISE(good_size <= file_size && (result == JOURNAL_WHOLE) == (good_size == file_size && good_size > 0));
    if (mode != MODE_ANYTHING) {
        size_t whole = 0;
        while (whole < count && ends[whole + 1] <= touched)
            whole++;
        PROMISE(result != JOURNAL_FOREIGN && read_back == whole && good_size == ends[whole]);
        if (mode == MODE_SPOILT)
            PROMISE(memcmp(exact, file, file_size) == 0); /* nothing is left of what reading wrote */
    }
    free(exact);
    free(file);
    return 0;
}
