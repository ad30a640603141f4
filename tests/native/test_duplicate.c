/* Copies by two paths; time and paths are arguments, so every story is told in a few lines. */
#include "duplicate.h"

#include "make.h"
#include "test.h"

enum { WAN = 1, WWAN = 2, LTE = 3 };

static struct duplicate_table table;
static uint8_t packet[2048], payload[1500];

static void begin(void)
{
    uint8_t key[16];
    test_random_octets(key, sizeof key);
    duplicate_begin(&table, key);
}

/* How full a set gets depends on the key: these two tell the same story in every run. */
static void begin_with_fixed_key(void)
{
    const uint8_t key[16] = {1, 2, 3};
    duplicate_begin(&table, key);
}

static bool seen(const struct make *m, uint32_t path, uint64_t now_ms)
{
    struct ipv4_view view;
    CHECK_EQUAL(ipv4_parse(packet, make_udp(packet, m), &view), IPV4_FINE);
    return duplicate_seen(&table, &view, path, now_ms);
}

static struct make some(void)
{
    struct make m = MAKE_DEFAULT;
    m.payload = payload;
    m.payload_size = 200;
    return m;
}

static void test_second_copy_by_another_path_is_seen_once(void)
{
    struct make m = some();
    begin();
    CHECK(!seen(&m, WAN, 1000));
    CHECK(seen(&m, WWAN, 1040));
    CHECK(!seen(&m, WWAN, 1041)); /* sent again */
    CHECK(seen(&m, WAN, 1042));
}

static void test_same_path_is_the_senders_affair(void)
{
    struct make m = some();
    begin();
    for (int i = 0; i < 10; i++)
        CHECK(!seen(&m, WAN, 1000));
}

static void test_sent_twice_by_both_arrives_twice(void)
{
    struct make m = some();
    begin();
    CHECK(!seen(&m, WAN, 1000));
    CHECK(!seen(&m, WAN, 1001));
    CHECK(seen(&m, WWAN, 1002));
    CHECK(seen(&m, WWAN, 1003));
    CHECK(!seen(&m, WWAN, 1004));
}

static void test_copies_by_more_paths_are_all_seen(void)
{
    struct make m = some();
    begin();
    for (int round = 0; round < 2; round++) { /* the packet is sent twice */
        CHECK(!seen(&m, WAN, 1000));
        CHECK(seen(&m, WWAN, 1010));
        CHECK(seen(&m, LTE, 1020));
        CHECK(seen(&m, 4, 1030));
        CHECK(seen(&m, 5, 1040)); /* more than are told apart */
    }
    CHECK(!seen(&m, LTE, 1050));
    CHECK(seen(&m, WAN, 1060));
}

static void test_window(void)
{
    struct make m = some();
    const uint64_t starts[] = {5, 0xffffff00, 0xffffffffff};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        begin();
        CHECK(!seen(&m, WAN, starts[i]));
        CHECK(seen(&m, LTE, starts[i] + DUPLICATE_WINDOW_MS));
        CHECK(!seen(&m, WAN, starts[i] + 5000));
        CHECK(!seen(&m, LTE, starts[i] + 5000 + DUPLICATE_WINDOW_MS + 1));
    }
}

static void test_what_a_path_may_change_does_not_matter(void)
{
    struct make m = some(), other = some();
    other.tos = 3;
    other.ttl = 12;
    begin();
    CHECK(!seen(&m, WAN, 0));
    CHECK(seen(&other, WWAN, 1));
}

static void test_what_makes_another_packet(void)
{
    for (int what = 0; what < 7; what++) {
        uint8_t other_payload[200];
        struct make m = some(), other = some();
        memcpy(other_payload, payload, 200);
        other.payload = other_payload;
        other.source += what == 0;
        other.destination += what == 1;
        other.identification = (uint16_t)(other.identification + (what == 2));
        other.fragment = what == 3 ? 0 : other.fragment;
        other.source_port = (uint16_t)(other.source_port + (what == 4));
        other.payload_size -= what == 5;
        other_payload[199] ^= what == 6; /* far behind the 64 octets: the UDP checksum tells */
        begin();
        CHECK(!seen(&m, WAN, 0));
        CHECK(!seen(&other, WWAN, 0));
        CHECK(seen(&m, WWAN, 0));
    }
}

static void test_empty_and_short_payloads(void)
{
    struct ipv4_view view;
    struct make m = some();
    begin();
    for (uint32_t size = 0; size < 70; size++) {
        uint32_t header = make_ipv4(packet, &m, 47, size);
        memset(packet + header, 0, size);
        CHECK_EQUAL(ipv4_parse(packet, header + size, &view), IPV4_FINE);
        CHECK(!duplicate_seen(&table, &view, WAN, 0));
        CHECK(duplicate_seen(&table, &view, WWAN, 0));
    }
}

/* A flow of 2,000 packets whose copies lag 300 behind: every copy is found, nothing else. */
static void test_a_flow_with_skew(void)
{
    enum { PACKETS = 2000, LAG = 300 };
    struct make m = some();
    uint32_t dropped = 0;
    begin_with_fixed_key();
    for (uint32_t i = 0; i < PACKETS + LAG; i++) {
        if (i < PACKETS) {
            m.identification = (uint16_t)i;
            CHECK(!seen(&m, WAN, i));
        }
        if (i >= LAG) {
            m.identification = (uint16_t)(i - LAG);
            dropped += seen(&m, LTE, i);
        }
    }
    CHECK_EQUAL(dropped, PACKETS);
}

/* Far more packets than entries: the newest are still known, the table never grows nor blocks. */
static void test_overflow_forgets_the_oldest(void)
{
    enum { PACKETS = 5 * DUPLICATE_ENTRIES, RECENT = 500 };
    struct make m = some();
    uint32_t found = 0;
    begin_with_fixed_key();
    for (uint32_t i = 0; i < PACKETS; i++) {
        m.source = i;
        CHECK(!seen(&m, WAN, i / 100));
    }
    for (uint32_t i = PACKETS - RECENT; i < PACKETS; i++) {
        m.source = i;
        found += seen(&m, WWAN, PACKETS / 100);
    }
    CHECK(found > RECENT * 99 / 100);
}

static void test_key_decides_who_collides(void)
{
    struct make m = some();
    begin();
    seen(&m, WAN, 1);
    struct duplicate_table first = table;
    begin();
    seen(&m, WAN, 1);
    CHECK(memcmp(first.entries, table.entries, sizeof table.entries) != 0);
}

int main(void)
{
    test_seed();
    test_random_octets(payload, sizeof payload);
    TEST(test_second_copy_by_another_path_is_seen_once);
    TEST(test_same_path_is_the_senders_affair);
    TEST(test_sent_twice_by_both_arrives_twice);
    TEST(test_copies_by_more_paths_are_all_seen);
    TEST(test_window);
    TEST(test_what_a_path_may_change_does_not_matter);
    TEST(test_what_makes_another_packet);
    TEST(test_empty_and_short_payloads);
    TEST(test_a_flow_with_skew);
    TEST(test_overflow_forgets_the_oldest);
    TEST(test_key_decides_who_collides);
    return test_result();
}
