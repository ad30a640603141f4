/* What is read from an ICMP error, and what may not be. */
#include "quote.h"

#include "icmp.h"
#include "make.h"
#include "test.h"

static const uint32_t ROUTER = 0xc0000201, US = 0xc0000207, THERE = 0xcb007109, INNER_FROM = 0x0a090005,
                      INNER_TO = 0x0a4d0002;

static uint8_t ours[2048], body[2048], packet[2600], payload[1400], out[ICMP_ERROR_SIZE_MAX];

/* A UDP datagram of ours with `size` octets. Returns its size. */
static uint32_t datagram(uint32_t size)
{
    struct make m = MAKE_DEFAULT;
    m.source = US;
    m.destination = THERE;
    m.source_port = m.destination_port = 434;
    m.payload = payload;
    m.payload_size = size;
    return make_udp(ours, &m);
}

/* The error that a router sends about the first `quoted` octets of it. words: RFC 4884's length. */
static uint32_t error_about(uint32_t quoted, uint8_t type, uint8_t code, uint8_t words)
{
    struct make m = MAKE_DEFAULT;
    memset(body, 0, 4);
    body[1] = words;
    memcpy(body + 4, ours, quoted);
    m.source = ROUTER;
    m.destination = US;
    m.payload = body;
    m.payload_size = 4 + quoted;
    return make_icmp(packet, &m, type, code);
}

static enum quote_error read_error(uint32_t size, struct quote_view *quote)
{
    struct ipv4_view view = {0};
    CHECK_EQUAL(ipv4_parse(packet, size, &view), IPV4_FINE);
    return quote_parse(&view, quote);
}

static void test_each_type_and_code_is_read_with_what_it_is_about(void)
{
    static const uint8_t types[] = {3, 11, 12};
    uint32_t whole = datagram(100);
    for (size_t i = 0; i < sizeof types; i++) {
        for (uint32_t code = 0; code < 256; code++) {
            struct quote_view quote = {0};
            CHECK_EQUAL(read_error(error_about(whole, types[i], (uint8_t)code, 0), &quote), QUOTE_FINE);
            CHECK_EQUAL(quote.type, types[i]);
            CHECK_EQUAL(quote.code, code);
            CHECK_EQUAL(quote.source, US);
            CHECK_EQUAL(quote.destination, THERE);
            CHECK_EQUAL(quote.protocol, 17);
            CHECK_EQUAL(quote.payload_size, 108);
            CHECK_OCTETS(quote.payload, ours + 20, 108);
        }
    }
}

static void test_however_much_is_quoted(void)
{
    uint32_t whole = datagram(100);
    for (uint32_t quoted = 0; quoted <= whole; quoted++) {
        struct quote_view quote = {0};
        enum quote_error error = read_error(error_about(quoted, 3, 1, 0), &quote);
        CHECK_EQUAL(error == QUOTE_FINE, quoted >= 28);
        if (error == QUOTE_FINE)
            CHECK_EQUAL(quote.payload_size, quoted - 20);
        else
            CHECK_EQUAL(error, QUOTE_SHORT);
    }
}

static void test_what_follows_the_quote_is_none_of_it(void)
{
    uint32_t whole = datagram(200);
    struct quote_view quote = {0};
    CHECK_EQUAL(read_error(error_about(whole, 3, 1, 32), &quote), QUOTE_FINE); /* RFC 4884: 128 octets */
    CHECK_EQUAL(quote.payload_size, 108);
    CHECK_EQUAL(read_error(error_about(whole, 3, 1, 255), &quote), QUOTE_FINE); /* it lies */
    CHECK_EQUAL(quote.payload_size, 208);
    for (uint8_t words = 1; words < 7; words++)
        CHECK_EQUAL(read_error(error_about(whole, 3, 1, words), &quote), QUOTE_SHORT);
}

static void test_other_types_are_no_errors(void)
{
    uint32_t whole = datagram(100);
    for (int type = 0; type < 256; type++) {
        struct quote_view quote;
        if (type != 3 && type != 11 && type != 12)
            CHECK_EQUAL(read_error(error_about(whole, (uint8_t)type, 0, 0), &quote), QUOTE_TYPE);
    }
}

static void test_a_wrong_checksum_is_seen_in_every_octet(void)
{
    uint32_t size = error_about(datagram(60), 3, 1, 0);
    for (uint32_t at = 21; at < size; at++) { /* the type itself is told otherwise */
        struct quote_view quote;
        packet[at] ^= 0x10;
        CHECK_EQUAL(read_error(size, &quote), QUOTE_CHECKSUM);
        packet[at] ^= 0x10;
    }
}

static void test_a_quote_that_is_no_packet(void)
{
    uint32_t whole = datagram(100);
    struct quote_view quote;
    static const struct {
        uint32_t at;
        uint8_t octet;
    } wrong[] = {{0, 0x65}, {0, 0x44}, {0, 0x4f}, {6, 0x1f}, {7, 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint8_t was = ours[wrong[i].at];
        ours[wrong[i].at] = wrong[i].octet;
        enum quote_error told = read_error(error_about(whole < 60 ? whole : 60, 3, 1, 0), &quote);
        CHECK_EQUAL(told, QUOTE_MALFORMED);
        ours[wrong[i].at] = was;
    }
    CHECK_EQUAL(read_error(error_about(60, 3, 1, 0), &quote), QUOTE_FINE); /* the control */
}

static void test_options_of_the_quoted_header(void)
{
    static const uint8_t options[40] = {1, 1, 1, 1};
    struct make m = MAKE_DEFAULT;
    struct quote_view quote = {0};
    m.ip_options = options;
    m.ip_options_size = sizeof options;
    m.payload = payload;
    m.payload_size = 50;
    uint32_t whole = make_udp(ours, &m);
    CHECK_EQUAL(read_error(error_about(whole, 3, 1, 0), &quote), QUOTE_FINE);
    CHECK_OCTETS(quote.payload, ours + 60, 58);
    CHECK_EQUAL(read_error(error_about(67, 3, 1, 0), &quote), QUOTE_MALFORMED);
    CHECK_EQUAL(read_error(error_about(68, 3, 1, 0), &quote), QUOTE_FINE);
}

static void test_an_inner_packet_as_far_as_it_goes_and_the_answer_about_it(void)
{
    struct make m = MAKE_DEFAULT;
    m.source = INNER_FROM;
    m.destination = INNER_TO;
    m.payload = payload;
    m.payload_size = 1300;
    uint32_t whole = make_tcp(ours, &m);
    for (uint32_t quoted = 0; quoted <= whole; quoted += quoted < 70 ? 1 : 61) {
        struct ipv4_view inner = {0};
        CHECK_EQUAL(quote_inner(ours, quoted, &inner), quoted >= 28);
        if (quoted < 28)
            continue;
        CHECK_EQUAL(inner.size, quoted);
        CHECK_EQUAL(inner.source, INNER_FROM);
        uint32_t told = quoted < ICMP_ERROR_SIZE_MAX - 28 ? quoted : ICMP_ERROR_SIZE_MAX - 28;
        CHECK_EQUAL(icmp_unreachable(&inner, inner.destination, 1, out), 28 + told);
        CHECK(sound(out));
        CHECK_EQUAL(get32(out + 12), INNER_TO);
        CHECK_EQUAL(get32(out + 16), INNER_FROM);
        CHECK_EQUAL(get16(out + 20), 0x0301);
        CHECK_OCTETS(out + 28, ours, told);
    }
}

static void test_padding_behind_a_small_inner_packet_is_not_quoted(void)
{
    struct make m = MAKE_DEFAULT;
    struct ipv4_view inner = {0};
    m.payload = payload;
    m.payload_size = 10;
    uint32_t whole = make_udp(ours, &m);
    CHECK(quote_inner(ours, whole + 40, &inner));
    CHECK_EQUAL(inner.size, whole);
    put16(ours + 2, 27); /* no packet has so little */
    CHECK(!quote_inner(ours, whole, &inner));
}

static void test_an_inner_error_is_not_answered(void)
{
    struct make m = MAKE_DEFAULT;
    struct ipv4_view inner = {0};
    m.payload = payload;
    m.payload_size = 60;
    for (int type = 0; type < 256; type++) {
        uint32_t size = make_icmp(ours, &m, (uint8_t)type, 0);
        int error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
        CHECK(quote_inner(ours, size, &inner));
        CHECK_EQUAL(icmp_unreachable(&inner, inner.destination, 0, out) == 0, error);
    }
}

int main(void)
{
    test_seed();
    test_random_octets(payload, sizeof payload);
    TEST(test_each_type_and_code_is_read_with_what_it_is_about);
    TEST(test_however_much_is_quoted);
    TEST(test_what_follows_the_quote_is_none_of_it);
    TEST(test_other_types_are_no_errors);
    TEST(test_a_wrong_checksum_is_seen_in_every_octet);
    TEST(test_a_quote_that_is_no_packet);
    TEST(test_options_of_the_quoted_header);
    TEST(test_an_inner_packet_as_far_as_it_goes_and_the_answer_about_it);
    TEST(test_padding_behind_a_small_inner_packet_is_not_quoted);
    TEST(test_an_inner_error_is_not_answered);
    return test_result();
}
