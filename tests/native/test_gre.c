/* GRE headers: written and read, lying flags and lengths refused. */
#include "gre.h"

#include "checksum.h"
#include "test.h"

static uint8_t buffer[512];

static void test_what_is_written_is_read(void)
{
    struct gre_view view;
    CHECK_EQUAL(gre_write(buffer, false, 0), 4);
    CHECK_OCTETS(buffer, ((const uint8_t[]){0, 0, 8, 0}), 4);
    CHECK_EQUAL(gre_parse(buffer, 4, &view), GRE_FINE);
    CHECK(!view.has_key);
    CHECK_EQUAL(view.header_size, 4);
    CHECK_EQUAL(gre_write(buffer, true, 0xdeadbeef), 8);
    CHECK_OCTETS(buffer, ((const uint8_t[]){0x20, 0, 8, 0, 0xde, 0xad, 0xbe, 0xef}), 8);
    CHECK_EQUAL(gre_parse(buffer, 8, &view), GRE_FINE);
    CHECK(view.has_key);
    CHECK_EQUAL(view.key, 0xdeadbeef);
    CHECK_EQUAL(view.header_size, 8);
}

/* Every combination of flags: the size that they mean, or a refusal (RFC 2784 2.2 to 2.4, RFC 2890 2). */
static void test_every_combination_of_flags(void)
{
    for (uint32_t flags = 0; flags <= 0xffff; flags++) {
        struct gre_view view;
        test_random_octets(buffer, 64);
        buffer[0] = (uint8_t)(flags >> 8);
        buffer[1] = (uint8_t)flags;
        buffer[2] = 8;
        buffer[3] = 0;
        size_t wanted = 4 + (flags & 0x8000 ? 4u : 0) + (flags & 0x2000 ? 4u : 0) + (flags & 0x1000 ? 4u : 0);
        if (flags & 0x8000) { /* the checksum, with its second half zero */
            store_raw16(buffer + 4, 0);
            store_raw16(buffer + 6, 0);
            store_raw16(buffer + 4, checksum_finish(checksum_sum(buffer, 64)));
        }
        enum gre_error error = gre_parse(buffer, 64, &view);
        if (flags & 0x4f07) {
            CHECK_EQUAL(error, GRE_FLAGS);
            continue;
        }
        CHECK_EQUAL(error, GRE_FINE);
        CHECK_EQUAL(view.header_size, wanted);
        if (flags & 0x8000) {
            buffer[40] ^= 1;
            CHECK_EQUAL(gre_parse(buffer, 64, &view), GRE_CHECKSUM);
        }
        for (size_t size = 0; size < wanted && flags % 16 == 0; size++)
            CHECK_EQUAL(gre_parse(buffer, size, &view), GRE_SHORT);
    }
}

static void test_other_protocols(void)
{
    struct gre_view view;
    for (uint32_t protocol = 0; protocol <= 0xffff; protocol += 7) {
        gre_write(buffer, false, 0);
        store_be16(buffer + 2, (uint16_t)protocol);
        CHECK_EQUAL(gre_parse(buffer, 32, &view), protocol == 0x0800 ? GRE_FINE : GRE_PROTOCOL);
    }
}

int main(void)
{
    test_seed();
    TEST(test_what_is_written_is_read);
    TEST(test_every_combination_of_flags);
    TEST(test_other_protocols);
    return test_result();
}
