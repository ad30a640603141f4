/* Replies to our probes, and all that only looks like one. */
#include "probe.h"

#include "make.h"
#include "test.h"

enum { HOME = 0x0a4d0002, HOME_AGENT = 0x0a4d0001, IDENTIFIER = 0xca0e };

static uint8_t packet[256];
static const uint8_t ECHO[36] = {0xca, 0x0e, 0x00, 0x2a, 'p', 'r', 'o', 'b', 'e'};

static struct make reply(void)
{
    struct make m = MAKE_DEFAULT;
    m.source = HOME_AGENT;
    m.destination = HOME;
    m.payload = ECHO;
    m.payload_size = sizeof ECHO;
    return m;
}

static bool matches(uint32_t size)
{
    struct ipv4_view view;
    CHECK_EQUAL(ipv4_parse(packet, size, &view), IPV4_FINE);
    return probe_matches(&view, HOME, IDENTIFIER);
}

static void test_reply_is_read(void)
{
    struct make m = reply();
    struct ipv4_view view;
    struct probe_reply probe;
    CHECK_EQUAL(ipv4_parse(packet, make_icmp(packet, &m, 0, 0), &view), IPV4_FINE);
    CHECK(probe_read(&view, &probe));
    CHECK_EQUAL(probe.source, HOME_AGENT);
    CHECK_EQUAL(probe.destination, HOME);
    CHECK_EQUAL(probe.identifier, IDENTIFIER);
    CHECK_EQUAL(probe.sequence, 42);
    CHECK(probe_matches(&view, HOME, IDENTIFIER));
    CHECK(!probe_matches(&view, HOME + 1, IDENTIFIER));
    CHECK(!probe_matches(&view, HOME, IDENTIFIER + 1));
}

static void test_everything_else_goes_on(void)
{
    struct make m = reply();
    for (int type = 1; type < 256; type++)
        CHECK(!matches(make_icmp(packet, &m, (uint8_t)type, 0)));
    CHECK(!matches(make_icmp(packet, &m, 0, 1)));
    uint32_t size = make_icmp(packet, &m, 0, 0);
    for (uint32_t bit = 0; bit < (size - 20) * 8; bit++) {
        packet[20 + bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(!matches(size)); /* the checksum no longer fits */
        packet[20 + bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK(matches(size));
    CHECK(!matches(make_udp(packet, &m)));
    m.fragment = 0x2000;
    CHECK(!matches(make_icmp(packet, &m, 0, 0)));
    m.fragment = 0x0001;
    CHECK(!matches(make_icmp(packet, &m, 0, 0)));
    m = reply();
    for (m.payload_size = 0; m.payload_size < 4; m.payload_size++)
        CHECK(!matches(make_icmp(packet, &m, 0, 0)));
    CHECK(matches(make_icmp(packet, &m, 0, 0))); /* eight octets are enough */
}

int main(void)
{
    TEST(test_reply_is_read);
    TEST(test_everything_else_goes_on);
    return test_result();
}
