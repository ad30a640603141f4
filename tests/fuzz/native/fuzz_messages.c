/* Anything as a message from careofd: what decodes encodes to the same octets. */
#include "codec.h"
#include "fuzz.h"
#include "messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message message;
    const char *bad = NULL;
    uint8_t *again = malloc(MESSAGE_SIZE_MAX);
    uint8_t *datagram = fuzz_copy(data, size);
    memset(&message, 0, sizeof message);
    enum codec_error error = codec_unpack(message_rows, MESSAGE_ROW_COUNT, datagram, size, &message.header,
                                          &message.as, &bad);
    if (error == CODEC_FINE) {
        const struct message_row *row = codec_row(message_rows, MESSAGE_ROW_COUNT, message.header.kind);
        size_t written = codec_pack(row, message.header.number, &message.as, again, MESSAGE_SIZE_MAX);
        PROMISE(written == size && memcmp(again, datagram, size) == 0);
    } else {
        PROMISE(bad != NULL);
    }
    free(datagram);
    free(again);
    return 0;
}
