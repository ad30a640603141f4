/* The one door for inner packets: every length that lies is refused by name. */
#include "ipv4.h"

#include "make.h"
#include "test.h"

static uint8_t packet[256];
static const uint8_t PAYLOAD[100] = {1, 2, 3};

static struct make some(uint32_t payload_size)
{
    struct make m = MAKE_DEFAULT;
    m.payload = PAYLOAD;
    m.payload_size = payload_size;
    return m;
}

static void test_fields(void)
{
    const uint8_t option[4] = {7, 3, 4, 0};
    struct ipv4_view view;
    struct make m = some(30);
    m.tos = 0xb9;
    m.ip_options = option;
    m.ip_options_size = 4;
    uint32_t size = make_tcp(packet, &m);
    CHECK_EQUAL(ipv4_parse_checked(packet, sizeof packet, &view), IPV4_FINE); /* the rest is padding */
    CHECK(view.at == packet);
    CHECK_EQUAL(view.size, size);
    CHECK_EQUAL(view.header_size, 24);
    CHECK_EQUAL(view.source, 0x0a4d0105);
    CHECK_EQUAL(view.destination, 0xc0000207);
    CHECK_EQUAL(view.source_port, 40000);
    CHECK_EQUAL(view.destination_port, 443);
    CHECK_EQUAL(view.identification, 0x1234);
    CHECK_EQUAL(view.tos, 0xb9);
    CHECK_EQUAL(view.ttl, 63);
    CHECK_EQUAL(view.protocol, PROTOCOL_TCP);
    CHECK_EQUAL(view.transport, TRANSPORT_TCP);
    CHECK_EQUAL(view.transport_header_size, 20);
    CHECK(view.dont_fragment && !view.more_fragments && view.fragment_offset == 0 && !ipv4_is_fragment(&view));
}

static void test_cut_short_at_every_octet(void)
{
    struct ipv4_view view;
    struct make m = some(10);
    uint32_t size = make_udp(packet, &m);
    CHECK_EQUAL(ipv4_parse(packet, 0, &view), IPV4_SHORT);
    for (uint32_t cut = 1; cut < size; cut++)
        CHECK_EQUAL(ipv4_parse(packet, cut, &view), cut < 20 ? IPV4_SHORT : IPV4_TOTAL_LENGTH);
    CHECK_EQUAL(ipv4_parse(packet, size, &view), IPV4_FINE);
}

static void test_every_header_length(void)
{
    struct ipv4_view view;
    struct make m = some(10);
    make_udp(packet, &m);
    for (uint32_t words = 0; words < 16; words++) {
        packet[0] = (uint8_t)(0x40 | words);
        CHECK_EQUAL(ipv4_parse(packet, 38, &view), words < 5 || words > 9 ? IPV4_HEADER_SIZE : IPV4_FINE);
    }
}

static void test_every_total_length(void)
{
    struct ipv4_view view;
    struct make m = some(10);
    make_udp(packet, &m);
    for (uint32_t total = 0; total <= 0xffff; total++) {
        put16(packet + 2, total);
        CHECK_EQUAL(ipv4_parse(packet, 38, &view), total < 20 || total > 38 ? IPV4_TOTAL_LENGTH : IPV4_FINE);
    }
}

static void test_every_version(void)
{
    struct ipv4_view view;
    struct make m = some(10);
    make_udp(packet, &m);
    for (uint32_t version = 0; version < 16; version++) {
        packet[0] = (uint8_t)(version << 4 | 5);
        CHECK_EQUAL(ipv4_parse(packet, 38, &view), version == 4 ? IPV4_FINE : IPV4_NOT_4);
    }
}

static void test_fragments_end_within_64k(void)
{
    struct ipv4_view view;
    struct make m = some(27);
    for (uint32_t offset = 0; offset < 0x2000; offset++) {
        m.fragment = (uint16_t)offset;
        uint32_t size = make_udp(packet, &m);
        int fine = offset * 8 + size <= 65535;
        CHECK_EQUAL(ipv4_parse(packet, size, &view), fine ? IPV4_FINE : IPV4_FRAGMENT);
        if (fine && offset) {
            CHECK_EQUAL(view.fragment_offset, offset * 8);
            CHECK(ipv4_is_fragment(&view));
            CHECK_EQUAL(view.transport, TRANSPORT_NONE);
            CHECK_EQUAL(view.source_port, 0);
        }
    }
}

static void test_transport_is_promised_only_when_sound(void)
{
    struct ipv4_view view;
    struct make m = some(12);
    uint32_t size = make_tcp(packet, &m);
    for (uint32_t words = 0; words < 16; words++) {
        packet[32] = (uint8_t)(words << 4);
        CHECK_EQUAL(ipv4_parse(packet, size, &view), IPV4_FINE);
        CHECK_EQUAL(view.transport, words < 5 || words > 8 ? TRANSPORT_PORTS : TRANSPORT_TCP);
        CHECK_EQUAL(view.source_port, 40000);
    }
    size = make_udp(packet, &m);
    for (uint32_t length = 0; length <= 0xffff; length++) {
        put16(packet + 24, length);
        CHECK_EQUAL(ipv4_parse(packet, size, &view), IPV4_FINE);
        CHECK_EQUAL(view.transport, length == 20 ? TRANSPORT_UDP : TRANSPORT_PORTS);
    }
    m.fragment = 0x2000;
    size = make_udp(packet, &m);
    put16(packet + 24, 1000);
    CHECK_EQUAL(ipv4_parse(packet, size, &view), IPV4_FINE);
    CHECK_EQUAL(view.transport, TRANSPORT_UDP); /* the length is that of the whole datagram */
    for (uint32_t payload = 0; payload < 20; payload++) {
        make_ipv4(packet, &m, PROTOCOL_UDP, payload);
        put16(packet + 24, 1000);
        CHECK_EQUAL(ipv4_parse(packet, 20 + payload, &view), IPV4_FINE);
        CHECK_EQUAL(view.transport, payload < 4 ? TRANSPORT_NONE : payload < 8 ? TRANSPORT_PORTS : TRANSPORT_UDP);
        make_ipv4(packet, &m, PROTOCOL_ICMP, payload);
        CHECK_EQUAL(ipv4_parse(packet, 20 + payload, &view), IPV4_FINE);
        CHECK_EQUAL(view.transport, payload < 8 ? TRANSPORT_NONE : TRANSPORT_ICMP);
    }
}

static void test_header_checksum(void)
{
    struct ipv4_view view;
    struct make m = some(4);
    uint32_t size = make_udp(packet, &m);
    for (uint32_t bit = 0; bit < 160; bit++) {
        packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(ipv4_parse_checked(packet, size, &view) != IPV4_FINE);
        packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    packet[11] ^= 1;
    CHECK_EQUAL(ipv4_parse_checked(packet, size, &view), IPV4_CHECKSUM);
    CHECK_EQUAL(ipv4_parse(packet, size, &view), IPV4_FINE);
}

static void test_loops(void)
{
    const uint32_t entry = 0xc6336402, exit = 0xc633640a, home = 0x0a4d0002;
    struct ipv4_view view = {.source = home, .destination = exit};
    CHECK(!ipv4_would_loop(&view, entry, exit)); /* a probe to the home agent */
    view.source = exit;
    CHECK(ipv4_would_loop(&view, entry, exit));
    view.source = entry;
    CHECK(ipv4_would_loop(&view, entry, exit)); /* our own outer packet, come back */
    view.destination = home;
    CHECK(!ipv4_would_loop(&view, entry, exit)); /* the home agent answers a probe */
}

static void test_every_error_has_a_name(void)
{
    for (int error = 0; error < IPV4_ERRORS; error++)
        CHECK(ipv4_error_name((enum ipv4_error)error) != NULL);
    CHECK(strcmp(ipv4_error_name(IPV4_CHECKSUM), "checksum") == 0);
}

int main(void)
{
    TEST(test_fields);
    TEST(test_cut_short_at_every_octet);
    TEST(test_every_header_length);
    TEST(test_every_total_length);
    TEST(test_every_version);
    TEST(test_fragments_end_within_64k);
    TEST(test_transport_is_promised_only_when_sound);
    TEST(test_header_checksum);
    TEST(test_loops);
    TEST(test_every_error_has_a_name);
    return test_result();
}
