/* What tunneld answers, and above all what it does not answer. */
#include "icmp.h"

#include "make.h"
#include "test.h"

enum { US = 0x0a4d0001 };

static uint8_t packet[2048], payload[2048], out[ICMP_ERROR_SIZE_MAX];

static struct ipv4_view parse(uint32_t size)
{
    struct ipv4_view view = {0};
    CHECK_EQUAL(ipv4_parse(packet, size, &view), IPV4_FINE);
    return view;
}

static struct make some(uint32_t payload_size)
{
    struct make m = MAKE_DEFAULT;
    m.payload = payload;
    m.payload_size = payload_size;
    return m;
}

static void test_too_big_names_the_size_and_quotes(void)
{
    struct make m = some(1460);
    struct ipv4_view view = parse(make_tcp(packet, &m));
    CHECK_EQUAL(icmp_too_big(&view, US, 1400, out), ICMP_ERROR_SIZE_MAX);
    CHECK(sound(out));
    CHECK_EQUAL(out[0], 0x45);
    CHECK_EQUAL(get16(out + 2), ICMP_ERROR_SIZE_MAX);
    CHECK_EQUAL(out[8], 64);
    CHECK_EQUAL(out[9], 1);
    CHECK_EQUAL(get32(out + 12), US);
    CHECK_EQUAL(get32(out + 16), m.source);
    CHECK_EQUAL(get16(out + 20), 0x0304);
    CHECK_EQUAL(get16(out + 24), 0);
    CHECK_EQUAL(get16(out + 26), 1400);
    CHECK_OCTETS(out + 28, packet, ICMP_ERROR_SIZE_MAX - 28);
}

static void test_time_exceeded_quotes_all_of_a_small_packet(void)
{
    for (uint32_t size = 0; size < 600; size++) {
        struct make m = some(size);
        uint32_t packet_size = make_udp(packet, &m);
        uint32_t quoted = packet_size < ICMP_ERROR_SIZE_MAX - 28 ? packet_size : ICMP_ERROR_SIZE_MAX - 28;
        struct ipv4_view view = parse(packet_size);
        CHECK_EQUAL(icmp_time_exceeded(&view, US, out), 28 + quoted);
        CHECK(sound(out));
        CHECK_EQUAL(get16(out + 20), 0x0b00);
        CHECK_EQUAL(get32(out + 24), 0);
        CHECK_OCTETS(out + 28, packet, quoted);
    }
}

static void test_not_about_icmp_errors(void)
{
    struct make m = some(100);
    for (int type = 0; type < 256; type++) {
        struct ipv4_view view = parse(make_icmp(packet, &m, (uint8_t)type, 0));
        int error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
        CHECK_EQUAL(icmp_too_big(&view, US, 1400, out) == 0, error);
        CHECK_EQUAL(icmp_time_exceeded(&view, US, out) == 0, error);
    }
    m.payload_size = 3; /* too short to tell */
    struct ipv4_view view = parse(make_icmp(packet, &m, 8, 0));
    CHECK_EQUAL(icmp_time_exceeded(&view, US, out), 0);
}

static void test_only_about_first_fragments(void)
{
    struct make m = some(100);
    m.fragment = 0x2000;
    struct ipv4_view view = parse(make_udp(packet, &m));
    CHECK(icmp_time_exceeded(&view, US, out) != 0);
    m.fragment = 0x2001;
    view = parse(make_udp(packet, &m));
    CHECK_EQUAL(icmp_time_exceeded(&view, US, out), 0);
}

static void test_only_between_single_hosts(void)
{
    static const uint32_t nobody[] = {0x00000000, 0x00010203, 0x7f000001, 0xe0000001,
                                      0xefffffff, 0xf0000001, 0xffffffff};
    static const uint32_t somebody[] = {0x01000000, 0x0a000001, 0x7e000001, 0x80000001, 0xdfffffff};
    for (size_t i = 0; i < sizeof nobody / sizeof *nobody; i++) {
        struct make m = some(100);
        m.source = nobody[i];
        struct ipv4_view view = parse(make_udp(packet, &m));
        CHECK_EQUAL(icmp_too_big(&view, US, 1400, out), 0);
        m = some(100);
        m.destination = nobody[i];
        view = parse(make_udp(packet, &m));
        CHECK_EQUAL(icmp_too_big(&view, US, 1400, out), 0);
    }
    for (size_t i = 0; i < sizeof somebody / sizeof *somebody; i++) {
        struct make m = some(100);
        m.source = m.destination = somebody[i];
        struct ipv4_view view = parse(make_udp(packet, &m));
        CHECK(icmp_too_big(&view, US, 1400, out) != 0);
    }
}

int main(void)
{
    test_seed();
    test_random_octets(payload, sizeof payload);
    TEST(test_too_big_names_the_size_and_quotes);
    TEST(test_time_exceeded_quotes_all_of_a_small_packet);
    TEST(test_not_about_icmp_errors);
    TEST(test_only_about_first_fragments);
    TEST(test_only_between_single_hosts);
    return test_result();
}
