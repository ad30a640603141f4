/* Runs of inner packets -> super-packets; and the property that segmenting what was coalesced gives
 * the run back, octet by octet. */
#include "coalesce.h"

#include "make.h"
#include "segment.h"
#include "test.h"

enum { PACKET_MAX = 8192, PACKET_SIZE = 1400 };

static struct coalesce_run run;
static uint8_t packets[COALESCE_RUN_MAX][PACKET_MAX];
static uint32_t packet_count;
static uint8_t payload[2 * IPV4_SIZE_MAX];
static uint8_t written[SEGMENT_READ_SIZE_MAX];

static bool add(uint32_t size)
{
    struct ipv4_view view;
    CHECK_EQUAL(ipv4_parse(packets[packet_count], size, &view), IPV4_FINE);
    packet_count++;
    return coalesce_add(&run, &view);
}

static void begin(bool uso)
{
    coalesce_begin(&run, uso, PACKET_SIZE);
    packet_count = 0;
}

static void add_tcp(const struct make *m)
{
    CHECK(add(make_tcp(packets[packet_count], m)));
}

static void add_udp(const struct make *m)
{
    CHECK(add(make_udp(packets[packet_count], m)));
}

/* What one writev() would give the TUN; returns its size, vnet header included. */
static uint32_t write_item(uint32_t index)
{
    struct iovec iov[COALESCE_IOVEC_MAX];
    int pieces = coalesce_item(&run, index, iov);
    uint32_t size = 0;
    CHECK(pieces <= COALESCE_IOVEC_MAX);
    for (int i = 0; i < pieces; i++) {
        memcpy(written + size, iov[i].iov_base, iov[i].iov_len);
        size += (uint32_t)iov[i].iov_len;
    }
    CHECK_EQUAL(size, VNET_HEADER_SIZE + coalesce_item_size(&run, index));
    return size;
}

/* A flow in order: each call gives the next packet. */
static void next(struct make *m, uint32_t size)
{
    m->sequence += m->payload_size;
    m->payload += m->payload_size;
    m->payload_size = size;
    m->identification++;
}

static struct make flow(void)
{
    struct make m = MAKE_DEFAULT;
    m.payload = payload;
    return m;
}

static void test_segments_in_order_become_one(void)
{
    struct make m = flow();
    struct vnet_header vnet;
    begin(false);
    for (int i = 0; i < 10; i++) {
        next(&m, 1000);
        m.flags = i == 9 ? 0x18 : 0x10;
        add_tcp(&m);
    }
    CHECK_EQUAL(run.item_count, 1);
    CHECK_EQUAL(write_item(0), VNET_HEADER_SIZE + 40 + 10000);
    memcpy(&vnet, written, sizeof vnet);
    CHECK_EQUAL(vnet.flags, VNET_NEEDS_CHECKSUM);
    CHECK_EQUAL(vnet.gso_type, VNET_GSO_TCPV4);
    CHECK_EQUAL(vnet.segment_payload, 1000);
    CHECK_EQUAL(vnet.header_size, 40);
    CHECK_EQUAL(vnet.checksum_start, 20);
    CHECK_EQUAL(vnet.checksum_offset, 16);
    const uint8_t *packet = written + VNET_HEADER_SIZE;
    CHECK_EQUAL(get16(packet + 2), 10040);
    CHECK_EQUAL(slow_sum(0, packet, 20), 0xffff);
    CHECK_EQUAL(packet[33], 0x18);
    CHECK_EQUAL(get16(packet + 36), slow_pseudo(packet, 6, 10020));
    CHECK_OCTETS(packet + 40, payload, 10000);
}

static void test_lone_packet_is_unchanged(void)
{
    struct make m = flow();
    uint8_t wanted[PACKET_MAX];
    const uint8_t zeros[VNET_HEADER_SIZE] = {0};
    begin(true);
    next(&m, 700);
    add_tcp(&m);
    uint32_t size = make_tcp(wanted, &m);
    CHECK_EQUAL(write_item(0), VNET_HEADER_SIZE + size);
    CHECK_OCTETS(written, zeros, VNET_HEADER_SIZE);
    CHECK_OCTETS(written + VNET_HEADER_SIZE, wanted, size);
}

/* Three packets of which the second is spoilt: what it was changed to must keep all three apart from
 * it, yet nothing is lost and the order stands. */
enum spoil {
    AS_IT_IS, WRONG_CHECKSUM, WRONG_HEADER_CHECKSUM, OTHER_SEQUENCE, OTHER_ACKNOWLEDGEMENT, OTHER_WINDOW,
    OTHER_TOS, OTHER_TTL, WITHOUT_DF, SKIPPED_IDENTIFICATION, WITH_URGENT, WITH_SYN, WITH_RESET, EMPTY, LONGER,
    FRAGMENT, WITH_OPTIONS, WITH_IP_OPTIONS, WITH_WINDOW_REDUCED, WITH_ECE, SPOILS,
};

static void test_what_differs_stays_apart(void)
{
    static const uint8_t nops[4] = {1, 1, 1, 1};
    for (int spoil = AS_IT_IS; spoil < SPOILS; spoil++) {
        struct make m = flow();
        begin(false);
        next(&m, 500);
        add_tcp(&m);
        next(&m, 500);
        struct make other = m;
        other.sequence += spoil == OTHER_SEQUENCE;
        other.acknowledgement += spoil == OTHER_ACKNOWLEDGEMENT;
        other.window = (uint16_t)(m.window + (spoil == OTHER_WINDOW));
        other.tos = spoil == OTHER_TOS ? 3 : 0;
        other.ttl = (uint8_t)(m.ttl - (spoil == OTHER_TTL));
        other.fragment = spoil == WITHOUT_DF ? 0 : spoil == FRAGMENT ? 0x2000 : 0x4000;
        other.identification = (uint16_t)(m.identification + (spoil == SKIPPED_IDENTIFICATION));
        other.flags |= spoil == WITH_URGENT ? 0x20 : spoil == WITH_SYN ? 2 : spoil == WITH_RESET ? 4 : 0;
        other.flags |= spoil == WITH_WINDOW_REDUCED ? 0x80 : spoil == WITH_ECE ? 0x40 : 0;
        other.payload_size = spoil == EMPTY ? 0 : spoil == LONGER ? 501 : 500;
        other.options = nops;
        other.options_size = spoil == WITH_OPTIONS ? 4 : 0;
        other.ip_options = nops;
        other.ip_options_size = spoil == WITH_IP_OPTIONS ? 4 : 0;
        uint32_t size = make_tcp(packets[1], &other);
        packets[1][size - 1] ^= spoil == WRONG_CHECKSUM;
        packets[1][10] ^= spoil == WRONG_HEADER_CHECKSUM;
        uint8_t wanted[PACKET_MAX];
        memcpy(wanted, packets[1], size);
        CHECK(add(size));
        CHECK_EQUAL(run.item_count, spoil == AS_IT_IS ? 1 : 2);
        next(&m, 500);
        add_tcp(&m);
        if (spoil == AS_IT_IS) {
            CHECK_EQUAL(run.item_count, 1);
        } else if (run.items[1].count == 1) {
            CHECK_EQUAL(write_item(1), VNET_HEADER_SIZE + size);
            CHECK_OCTETS(written + VNET_HEADER_SIZE, wanted, size);
        }
        CHECK_EQUAL(run.items[0].count, spoil == AS_IT_IS ? 3 : 1);
    }
}

static void test_push_fin_and_short_segments_end_a_super_packet(void)
{
    for (int how = 0; how < 3; how++) {
        struct make m = flow();
        begin(false);
        for (int i = 0; i < 4; i++) {
            next(&m, how == 2 && i == 1 ? 400 : 500);
            m.flags = (uint8_t)(0x10 | (i != 1 || how == 2 ? 0 : how == 0 ? 8 : 1));
            add_tcp(&m);
        }
        CHECK_EQUAL(run.item_count, 2);
        CHECK_EQUAL(run.items[0].count, 2);
        CHECK_EQUAL(run.items[1].count, 2);
        write_item(0);
        CHECK_EQUAL(written[VNET_HEADER_SIZE + 33], how == 0 ? 0x18 : how == 1 ? 0x11 : 0x10);
    }
}

static void test_window_reduced_flag_may_begin_one(void)
{
    struct make m = flow();
    begin(false);
    for (int i = 0; i < 3; i++) {
        next(&m, 500);
        m.flags = i == 0 ? 0x90 : 0x10;
        add_tcp(&m);
    }
    CHECK_EQUAL(run.item_count, 1);
    write_item(0);
    CHECK_EQUAL(written[1], VNET_GSO_TCPV4 | VNET_GSO_ECN);
}

static void test_constant_identification_only_with_df(void)
{
    for (int df = 0; df < 2; df++) {
        struct make m = flow();
        m.fragment = df ? 0x4000 : 0;
        begin(false);
        for (int i = 0; i < 3; i++) {
            next(&m, 500);
            m.identification = 0;
            add_tcp(&m);
        }
        CHECK_EQUAL(run.item_count, df ? 1 : 3);
    }
}

static void test_udp_only_for_a_tun_with_uso(void)
{
    const uint32_t sizes[] = {300, 300, 299, 300, 301, 301};
    for (int uso = 0; uso < 2; uso++) {
        struct make m = flow();
        begin(uso);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            next(&m, sizes[i]);
            add_udp(&m);
        }
        CHECK_EQUAL(run.item_count, uso ? 3 : 6);
        if (uso) {
            CHECK_EQUAL(run.items[0].count, 3);
            CHECK_EQUAL(run.items[1].count, 1);
            CHECK_EQUAL(run.items[2].count, 2);
        }
    }
}

static void test_udp_without_checksum_goes_alone(void)
{
    struct make m = flow();
    begin(true);
    for (int i = 0; i < 2; i++) {
        next(&m, 300);
        uint32_t size = make_udp(packets[packet_count], &m);
        put16(packets[packet_count] + 26, 0);
        CHECK(add(size));
    }
    CHECK_EQUAL(run.item_count, 2);
}

static void test_interleaved_flows_keep_their_order(void)
{
    enum { FLOWS = COALESCE_OPEN_MAX, EACH = 8 };
    struct make m[FLOWS];
    begin(false);
    for (int f = 0; f < FLOWS; f++) {
        m[f] = flow();
        m[f].source_port = (uint16_t)(1000 + f);
    }
    for (int i = 0; i < EACH; i++) {
        for (int f = 0; f < FLOWS; f++) {
            next(&m[f], 100);
            add_tcp(&m[f]);
        }
    }
    CHECK_EQUAL(run.item_count, FLOWS);
    for (uint32_t f = 0; f < FLOWS; f++) {
        CHECK_EQUAL(write_item(f), VNET_HEADER_SIZE + 40 + EACH * 100);
        CHECK_EQUAL(get16(written + VNET_HEADER_SIZE + 20), 1000 + f);
        CHECK_OCTETS(written + VNET_HEADER_SIZE + 40, payload, EACH * 100);
    }
}

static void test_more_flows_than_slots_are_still_right(void)
{
    begin(false);
    struct make m = flow();
    for (int i = 0; i < 100; i++) {
        next(&m, 100);
        m.source_port = (uint16_t)(1 + i);
        add_tcp(&m);
    }
    CHECK_EQUAL(run.item_count, 100);
    CHECK_EQUAL(run.open_count, COALESCE_OPEN_MAX);
}

static void test_bounds_of_a_super_packet(void)
{
    struct make m = flow();
    begin(false);
    for (int i = 0; i < COALESCE_RUN_MAX; i++) {
        next(&m, 100);
        add_tcp(&m);
    }
    CHECK_EQUAL(run.item_count, COALESCE_RUN_MAX / COALESCE_PIECES_MAX);
    struct ipv4_view view;
    CHECK_EQUAL(ipv4_parse(packets[0], PACKET_MAX, &view), IPV4_FINE);
    CHECK(!coalesce_add(&run, &view));
    CHECK_EQUAL(run.packet_count, COALESCE_RUN_MAX);

    m = flow();
    begin(false);
    for (int i = 0; i < 60; i++) {
        next(&m, 1360);
        add_tcp(&m);
    }
    CHECK_EQUAL(run.item_count, 2);
    CHECK_EQUAL(run.items[0].count, (IPV4_SIZE_MAX - 40) / 1360);
}

static void test_a_fragment_is_not_overtaken(void)
{
    struct make m = flow();
    begin(false);
    next(&m, 500);
    add_tcp(&m);
    struct make later = m;
    later.fragment = 0x0010;
    CHECK(add(make_tcp(packets[packet_count], &later)));
    next(&m, 500);
    add_tcp(&m);
    CHECK_EQUAL(run.item_count, 3);
}

/* Random flows, sizes and accidents; segmenting each item gives its packets again, in order, and every
 * flow's packets come in the order they went in. */
/* As the kernel's receive offload leaves what it merged within IP-in-IP: TCP's checksum is begun only. */
static uint32_t add_merged(const struct make *m)
{
    uint8_t *packet = packets[packet_count];
    uint32_t size = make_tcp(packet, m);
    put16(packet + 36, slow_pseudo(packet, 6, size - 20));
    CHECK(add(size));
    return size;
}

static void test_what_the_kernel_merged_is_cut_to_the_packet_size(void)
{
    static uint8_t packet[PACKET_MAX];
    const uint32_t sizes[] = {1000, 4000, 1361, 1360, 500, 1000};
    struct make m = flow();
    begin(false);
    next(&m, sizes[0]);
    add_tcp(&m);
    for (int i = 1; i < 5; i++) {
        next(&m, sizes[i]);
        add_merged(&m);
    }
    next(&m, sizes[5]);
    add_tcp(&m);
    CHECK_EQUAL(run.item_count, 6);
    m = flow();
    for (uint32_t i = 0; i < 6; i++) {
        struct vnet_header vnet;
        bool merged = i > 0 && i < 5, cut = i == 1 || i == 2;
        next(&m, sizes[i]);
        uint32_t size = make_tcp(packet, &m);
        if (merged)
            put16(packet + 36, slow_pseudo(packet, 6, size - 20));
        CHECK_EQUAL(write_item(i), VNET_HEADER_SIZE + size);
        CHECK_OCTETS(written + VNET_HEADER_SIZE, packet, size);
        memcpy(&vnet, written, sizeof vnet);
        CHECK_EQUAL(vnet.flags, merged ? VNET_NEEDS_CHECKSUM : 0);
        CHECK_EQUAL(vnet.gso_type, cut ? VNET_GSO_TCPV4 : VNET_GSO_NONE);
        CHECK_EQUAL(vnet.segment_payload, cut ? PACKET_SIZE - 40 : 0);
    }
}

static void test_segmenting_again_gives_the_run_back(void)
{
    enum { FLOWS = 3 };
    static uint8_t copies[COALESCE_RUN_MAX][PACKET_MAX], out[2 * SEGMENT_READ_SIZE_MAX];
    for (int round = 0; round < 300; round++) {
        struct make m[FLOWS];
        uint32_t next_of[FLOWS] = {0}, flow_of[COALESCE_RUN_MAX] = {0};
        for (uint32_t f = 0; f < FLOWS; f++) {
            m[f] = flow();
            m[f].source_port = (uint16_t)f;
            m[f].sequence = test_random();
            m[f].identification = (uint16_t)test_random();
            m[f].fragment = test_random_below(2) ? 0x4000 : 0;
        }
        uint32_t base = 1 + test_random_below(1400), count = 1 + test_random_below(COALESCE_RUN_MAX);
        begin(true);
        while (packet_count < count) {
            uint32_t f = test_random_below(FLOWS);
            next(&m[f], test_random_below(12) ? base : test_random_below(1400));
            m[f].payload = payload + test_random_below(1000);
            m[f].flags = (uint8_t)(0x10 | (test_random_below(15) ? 0 : 0x08));
            m[f].tos = (uint8_t)(test_random_below(20) ? 0 : 3);
            flow_of[packet_count] = f;
            uint8_t *packet = packets[packet_count];
            uint32_t size = f == 2 ? make_udp(packet, &m[f]) : make_tcp(packet, &m[f]);
            if (!test_random_below(25)) {
                uint8_t *spoilt = packet + 20 + test_random_below(size - 20);
                *spoilt ^= 0x10;
                if (f != 2 && get16(packet + 36) == slow_pseudo(packet, 6, size - 20))
                    *spoilt ^= 0x10; /* it would pass for one that the kernel merged */
            }
            memcpy(copies[packet_count], packet, PACKET_MAX);
            CHECK(add(size));
        }
        uint32_t seen = 0;
        for (uint32_t i = 0; i < run.item_count; i++) {
            struct segment_plan plan;
            CHECK_EQUAL(segment_plan(written, write_item(i), &plan), SEGMENT_FINE);
            CHECK_EQUAL(plan.count, run.items[i].count);
            segment_write(&plan, 0, plan.count, NULL, 0, out);
            const uint8_t *at = out;
            for (uint32_t s = 0; s < plan.count; s++, seen++) {
                uint32_t f = FLOWS, index = 0;
                for (uint32_t candidate = 0; candidate < FLOWS && f == FLOWS; candidate++) {
                    index = next_of[candidate];
                    while (index < count && flow_of[index] != candidate)
                        index++;
                    if (index < count && memcmp(at, copies[index], get16(copies[index] + 2)) == 0)
                        f = candidate;
                }
                CHECK(f < FLOWS);
                if (f == FLOWS)
                    return;
                next_of[f] = index + 1;
                at += get16(at + 2);
            }
        }
        CHECK_EQUAL(seen, count);
    }
}

int main(void)
{
    test_seed();
    test_random_octets(payload, sizeof payload);
    TEST(test_segments_in_order_become_one);
    TEST(test_lone_packet_is_unchanged);
    TEST(test_what_differs_stays_apart);
    TEST(test_push_fin_and_short_segments_end_a_super_packet);
    TEST(test_window_reduced_flag_may_begin_one);
    TEST(test_constant_identification_only_with_df);
    TEST(test_udp_only_for_a_tun_with_uso);
    TEST(test_udp_without_checksum_goes_alone);
    TEST(test_interleaved_flows_keep_their_order);
    TEST(test_more_flows_than_slots_are_still_right);
    TEST(test_bounds_of_a_super_packet);
    TEST(test_a_fragment_is_not_overtaken);
    TEST(test_what_the_kernel_merged_is_cut_to_the_packet_size);
    TEST(test_segmenting_again_gives_the_run_back);
    return test_result();
}
