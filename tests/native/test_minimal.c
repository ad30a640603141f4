/* Minimal encapsulation: there and back again is the same packet; what lies is refused. */
#include "minimal.h"

#include "checksum.h"
#include "fields.h"
#include "make.h"
#include "test.h"

enum { ENTRY = 0x0a000201, EXIT = 0x0a336409 };

static uint8_t packet[2048], wrapped[2048], payload[1500];

static struct ipv4_view parse(uint8_t *at, size_t size)
{
    struct ipv4_view view = {0};
    CHECK_EQUAL(ipv4_parse_checked(at, size, &view), IPV4_FINE);
    return view;
}

static uint32_t make(uint32_t payload_size, uint16_t fragment)
{
    struct make m = MAKE_DEFAULT;
    m.payload = payload;
    m.payload_size = payload_size;
    m.fragment = fragment;
    return make_udp(packet, &m);
}

static size_t wrap(size_t size)
{
    memcpy(wrapped + MINIMAL_HEADER_SIZE_MAX, packet, size);
    minimal_wrap(wrapped, size, ENTRY, EXIT, 0x2a);
    return size + MINIMAL_HEADER_SIZE_MAX;
}

static void test_laid_out_as_the_figure(void)
{
    uint32_t size = make(100, 0x4000);
    size_t whole = wrap(size);
    struct ipv4_view inner = parse(packet, size), outer = parse(wrapped, whole);
    CHECK_EQUAL(outer.size, size + 12);
    CHECK_EQUAL(outer.protocol, 55);
    CHECK_EQUAL(outer.source, ENTRY);
    CHECK_EQUAL(outer.destination, EXIT);
    CHECK_EQUAL(outer.ttl, inner.ttl);
    CHECK_EQUAL(outer.identification, inner.identification);
    CHECK(outer.dont_fragment);
    CHECK_EQUAL(outer.tos, 0x2a);
    CHECK_EQUAL(wrapped[20], 17);
    CHECK_EQUAL(wrapped[21], 0x80);
    CHECK_OCTETS(wrapped + 24, packet + 16, 4);
    CHECK_OCTETS(wrapped + 28, packet + 12, 4);
    CHECK(checksum_right(checksum_sum(wrapped + 20, 12)));
    CHECK_OCTETS(wrapped + 32, packet + 20, size - 20);
}

static void test_there_and_back_again(void)
{
    for (uint32_t payload_size = 0; payload_size < 1400; payload_size += 13) {
        uint32_t size = make(payload_size, payload_size & 1 ? 0x4000 : 0);
        size_t whole = wrap(size), back_size = 0;
        struct ipv4_view outer = parse(wrapped, whole);
        uint8_t *back = minimal_unwrap(&outer, &back_size);
        CHECK(back != NULL);
        CHECK_EQUAL(back_size, size);
        CHECK_EQUAL(back[IPV4_TOS_AT], 0x2a); /* the one that arrived */
        struct ipv4_view inner = parse(back, back_size);
        CHECK_EQUAL(inner.source, load_be32(packet + 12));
        CHECK_OCTETS(back + 2, packet + 2, 8);
        CHECK_OCTETS(back + 12, packet + 12, size - 12);
    }
}

/* RFC 2004 3.1: S clear, the sender of the outer packet is that of the inner one. */
static void test_without_a_source(void)
{
    uint32_t size = make(64, 0);
    size_t whole = wrap(size), back_size = 0;
    memmove(wrapped + 28, wrapped + 32, whole - 32);
    whole -= 4;
    store_be16(wrapped + 2, (uint16_t)whole);
    store_raw16(wrapped + 10, 0);
    store_raw16(wrapped + 10, checksum_finish(checksum_sum(wrapped, 20)));
    wrapped[21] = 0;
    store_raw16(wrapped + 22, 0);
    store_raw16(wrapped + 22, checksum_finish(checksum_sum(wrapped + 20, 8)));
    struct ipv4_view outer = parse(wrapped, whole);
    uint8_t *back = minimal_unwrap(&outer, &back_size);
    CHECK(back != NULL);
    CHECK_EQUAL(back_size, size);
    struct ipv4_view inner = parse(back, back_size);
    CHECK_EQUAL(inner.source, ENTRY);
    CHECK_OCTETS(back + 16, packet + 16, size - 16);
}

static void test_what_lies_is_refused(void)
{
    uint32_t size = make(64, 0);
    for (int bit = 0; bit < 12 * 8; bit++) {
        size_t whole = wrap(size), back_size = 0;
        wrapped[20 + bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct ipv4_view outer = parse(wrapped, whole);
        CHECK(minimal_unwrap(&outer, &back_size) == NULL);
    }
    for (size_t left = 0; left < 12; left++) {
        size_t back_size = 0;
        wrap(size);
        struct ipv4_view outer = parse(wrapped, size + 12);
        outer.size = (uint16_t)(20 + left);
        CHECK(minimal_unwrap(&outer, &back_size) == NULL);
    }
    size_t whole = wrap(size), back_size = 0; /* reserved bits, with a right checksum */
    wrapped[21] |= 0x01;
    store_raw16(wrapped + 22, 0);
    store_raw16(wrapped + 22, checksum_finish(checksum_sum(wrapped + 20, 12)));
    struct ipv4_view outer = parse(wrapped, whole);
    CHECK(minimal_unwrap(&outer, &back_size) == NULL);
}

static void test_fragments_and_options_cannot_travel_so(void)
{
    uint32_t size = make(64, 0);
    struct ipv4_view view = parse(packet, size);
    CHECK(minimal_can_carry(&view));
    size = make(64, 0x2000);
    view = parse(packet, size);
    CHECK(!minimal_can_carry(&view));
    size = make(64, 0x0004);
    view = parse(packet, size);
    CHECK(!minimal_can_carry(&view));
    view.fragment_offset = 0;
    view.header_size = 24;
    CHECK(!minimal_can_carry(&view));
}

int main(void)
{
    test_seed();
    test_random_octets(payload, sizeof payload);
    TEST(test_laid_out_as_the_figure);
    TEST(test_there_and_back_again);
    TEST(test_without_a_source);
    TEST(test_what_lies_is_refused);
    TEST(test_fragments_and_options_cannot_travel_so);
    return test_result();
}
