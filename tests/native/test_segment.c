/* One read of the TUN -> inner packets. What the kernel would have made of the super-packet is made
 * here by hand and compared octet by octet. */
#include "segment.h"

#include "make.h"
#include "test.h"

enum { READ_SIZE = SEGMENT_READ_SIZE_MAX + 64, OUT_SIZE = 4 << 20 };

static uint8_t read_buffer[READ_SIZE];
static uint8_t *out;
static uint8_t payload[IPV4_SIZE_MAX];
static const uint8_t TUNNEL[4] = {4, 4, 0, 0}; /* RFC 3519: tunnel data, IP in IP */
static const uint8_t TIMESTAMPS[12] = {1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4};

static void put_vnet(uint8_t gso, uint16_t gso_size, uint16_t start, uint16_t offset)
{
    struct vnet_header vnet = {
        .flags = start ? VNET_NEEDS_CHECKSUM : 0,
        .gso_type = gso,
        .header_size = 0xbeef, /* a lie that must not matter */
        .segment_payload = gso_size,
        .checksum_start = start,
        .checksum_offset = offset,
    };
    memcpy(read_buffer, &vnet, sizeof vnet);
}

/* As the kernel hands it over: the pseudo header's sum in place of the checksum. */
static uint32_t super(const struct make *m, int tcp, uint16_t gso_size)
{
    uint8_t *packet = read_buffer + VNET_HEADER_SIZE;
    uint32_t size = tcp ? make_tcp(packet, m) : make_udp(packet, m);
    uint32_t header = (packet[0] & 0xfu) * 4, at = header + (tcp ? 16 : 6);
    put16(packet + at, slow_pseudo(packet, packet[9], size - header));
    uint8_t kind = tcp ? VNET_GSO_TCPV4 : VNET_GSO_UDP_L4;
    if (tcp && (m->flags & 0x80))
        kind |= VNET_GSO_ECN;
    put_vnet(gso_size ? kind : VNET_GSO_NONE, gso_size, (uint16_t)header, (uint16_t)(at - header));
    return VNET_HEADER_SIZE + size;
}

static void expect_segments(const struct make *m, int tcp, uint32_t gso_size, uint32_t headroom)
{
    static uint8_t wanted[IPV4_SIZE_MAX + 64];
    const uint8_t template[8] = {4, 4, 0, 0, 0xaa, 0xbb, 0xcc, 0xdd};
    struct segment_plan plan;
    CHECK_EQUAL(segment_plan(read_buffer, super(m, tcp, (uint16_t)gso_size), &plan), SEGMENT_FINE);
    uint32_t count = m->payload_size ? (m->payload_size + gso_size - 1) / gso_size : 1;
    CHECK_EQUAL(plan.count, count);
    size_t size = segment_write(&plan, 0, plan.count, template, headroom, out);

    const uint8_t *at = out;
    for (uint32_t i = 0; i < count; i++) {
        struct make each = *m;
        each.identification = (uint16_t)(m->identification + i);
        each.sequence = m->sequence + i * gso_size;
        each.payload = m->payload + i * gso_size;
        each.payload_size = i + 1 < count ? gso_size : m->payload_size - i * gso_size;
        if (i + 1 < count)
            each.flags &= 0xff & ~0x09;
        if (i > 0)
            each.flags &= 0x7f;
        uint32_t each_size = tcp ? make_tcp(wanted, &each) : make_udp(wanted, &each);
        CHECK_OCTETS(at, template, headroom);
        CHECK_OCTETS(at + headroom, wanted, each_size);
        if (i + 1 < count)
            CHECK_EQUAL(each_size, segment_size(&plan));
        at += headroom + each_size;
    }
    CHECK_EQUAL(size, (size_t)(at - out));
}

static void test_tcp_super_packets(void)
{
    const uint32_t gso_sizes[] = {1, 7, 536, 1360, 1361, 9000, 65000};
    const uint32_t sizes[] = {0, 1, 2, 1359, 1360, 1361, 2720, 4096, 65535 - 52};
    for (size_t g = 0; g < sizeof gso_sizes / sizeof *gso_sizes; g++) {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            struct make m = MAKE_DEFAULT;
            m.payload = payload;
            m.payload_size = sizes[s];
            m.flags = 0x10 | 0x08 | 0x01;
            m.options = TIMESTAMPS;
            m.options_size = sizeof TIMESTAMPS;
            expect_segments(&m, 1, gso_sizes[g], (uint32_t)(g % 3) * 4);
        }
    }
}

static void test_window_reduced_flag_on_first_only(void)
{
    struct make m = MAKE_DEFAULT;
    m.payload = payload;
    m.payload_size = 5000;
    m.flags = 0x80 | 0x10 | 0x08;
    m.tos = 2;
    expect_segments(&m, 1, 1360, 4);
    CHECK_EQUAL(out[4 + 33], 0x90);
    CHECK_EQUAL(out[4 + 1400 + 4 + 33], 0x10);
}

static void test_identification_and_sequence_wrap(void)
{
    struct make m = MAKE_DEFAULT;
    m.payload = payload;
    m.payload_size = 40000;
    m.identification = 0xfffe;
    m.sequence = 0xffffff00;
    m.fragment = 0;
    expect_segments(&m, 1, 1000, 4);
}

static void test_udp_super_packets(void)
{
    const uint32_t gso_sizes[] = {1, 31, 1300, 60000};
    for (size_t g = 0; g < sizeof gso_sizes / sizeof *gso_sizes; g++) {
        struct make m = MAKE_DEFAULT;
        m.payload = payload;
        m.payload_size = 31337;
        expect_segments(&m, 0, gso_sizes[g], 4);
    }
}

static void test_ip_options_are_repeated(void)
{
    const uint8_t router_alert[4] = {148, 4, 0, 0};
    struct make m = MAKE_DEFAULT;
    m.payload = payload;
    m.payload_size = 3000;
    m.ip_options = router_alert;
    m.ip_options_size = sizeof router_alert;
    expect_segments(&m, 1, 1000, 0);
}

static void test_lone_packet_gets_its_checksum(void)
{
    for (int tcp = 0; tcp < 2; tcp++) {
        for (uint32_t size = 0; size < 300; size++) {
            struct make m = MAKE_DEFAULT;
            struct segment_plan plan;
            uint8_t wanted[400];
            m.payload = payload + size;
            m.payload_size = size;
            uint32_t read_size = super(&m, tcp, 0);
            uint32_t wanted_size = tcp ? make_tcp(wanted, &m) : make_udp(wanted, &m);
            CHECK_EQUAL(segment_plan(read_buffer, read_size, &plan), SEGMENT_FINE);
            CHECK_EQUAL(plan.count, 1);
            CHECK_EQUAL(segment_size(&plan), wanted_size);
            CHECK_EQUAL(segment_write(&plan, 0, 1, NULL, 0, out), wanted_size);
            CHECK_OCTETS(out, wanted, wanted_size);
        }
    }
}

static void test_udp_checksum_of_zero_is_sent_as_ones(void)
{
    struct make m = MAKE_DEFAULT;
    struct segment_plan plan;
    uint8_t zeroing[2] = {0, 0}, packet[64];
    m.payload = zeroing;
    m.payload_size = 2;
    make_udp(packet, &m);
    memcpy(zeroing, packet + 26, 2); /* now the sum of all else and this is all ones, its complement 0 */
    for (uint16_t gso = 0; gso < 3; gso += 2) {
        CHECK_EQUAL(segment_plan(read_buffer, super(&m, 0, gso), &plan), SEGMENT_FINE);
        segment_write(&plan, 0, 1, NULL, 0, out);
        CHECK_EQUAL(get16(out + 26), 0xffff);
        CHECK(sound(out));
    }
}

static void test_udp_without_checksum_stays_without(void)
{
    struct make m = MAKE_DEFAULT;
    struct segment_plan plan;
    m.payload = payload;
    m.payload_size = 2000;
    uint32_t size = super(&m, 0, 1000);
    put16(read_buffer + VNET_HEADER_SIZE + 26, 0);
    CHECK_EQUAL(segment_plan(read_buffer, size, &plan), SEGMENT_FINE);
    segment_write(&plan, 0, 2, NULL, 0, out);
    CHECK_EQUAL(get16(out + 26), 0);
    CHECK_EQUAL(get16(out + 1028 + 26), 0);
}

static void test_finished_packet_is_copied_as_it_is(void)
{
    struct make m = MAKE_DEFAULT;
    struct segment_plan plan;
    uint8_t *packet = read_buffer + VNET_HEADER_SIZE;
    m.payload = payload;
    m.payload_size = 99;
    uint32_t size = make_tcp(packet, &m);
    packet[size - 1] ^= 1; /* a wrong checksum is the receiver's to see */
    put_vnet(VNET_GSO_NONE, 0, 0, 0);
    CHECK_EQUAL(segment_plan(read_buffer, VNET_HEADER_SIZE + size + 6, &plan), SEGMENT_FINE);
    CHECK_EQUAL(segment_write(&plan, 0, 1, TUNNEL, 4, out), 4 + size); /* padding is left behind */
    CHECK_OCTETS(out, TUNNEL, 4);
    CHECK_OCTETS(out + 4, packet, size);
}

static void test_batches_make_the_same_octets(void)
{
    static uint8_t whole[OUT_SIZE / 8];
    struct make m = MAKE_DEFAULT;
    struct segment_plan plan;
    m.payload = payload;
    m.payload_size = 60000;
    CHECK_EQUAL(segment_plan(read_buffer, super(&m, 1, 100), &plan), SEGMENT_FINE);
    size_t whole_size = segment_write(&plan, 0, plan.count, TUNNEL, 4, whole);
    CHECK_EQUAL(whole_size, 600 * 144);
    CHECK_EQUAL(segment_batch(&plan, 4, OUT_SIZE), SEGMENT_BATCH_MAX);
    CHECK_EQUAL(segment_batch(&plan, 4, 1000), 6);
    CHECK_EQUAL(segment_batch(&plan, 4, 143), 0);
    size_t at = 0;
    for (uint32_t first = 0; first < plan.count;) {
        uint32_t count = segment_batch(&plan, 4, 3000);
        if (count > plan.count - first)
            count = plan.count - first;
        size_t size = segment_write(&plan, first, count, TUNNEL, 4, out);
        CHECK_OCTETS(out, whole + at, size);
        at += size;
        first += count;
    }
    CHECK_EQUAL(at, whole_size);
    m.payload_size = 65000;
    CHECK_EQUAL(segment_plan(read_buffer, super(&m, 1, 1360), &plan), SEGMENT_FINE);
    CHECK_EQUAL(segment_batch(&plan, 4, OUT_SIZE), SEGMENT_SEND_SIZE_MAX / 1404);
}

static enum segment_error plan_after(uint32_t size, uint32_t at, uint8_t value)
{
    struct segment_plan plan;
    uint8_t was = read_buffer[at];
    read_buffer[at] = value;
    enum segment_error error = segment_plan(read_buffer, size, &plan);
    read_buffer[at] = was;
    return error;
}

static void test_refusals_by_name(void)
{
    enum { IP = VNET_HEADER_SIZE, TCP = IP + 20 };
    struct make m = MAKE_DEFAULT;
    struct segment_plan plan;
    m.payload = payload;
    m.payload_size = 3000;
    uint32_t size = super(&m, 1, 1000);
    CHECK_EQUAL(segment_plan(read_buffer, size, &plan), SEGMENT_FINE);
    CHECK_EQUAL(plan_after(size, IP, 0x60), SEGMENT_NOT_IPV4);
    CHECK_EQUAL(plan_after(size, IP, 0x44), SEGMENT_MALFORMED);
    CHECK_EQUAL(plan_after(size, IP + 2, 0xff), SEGMENT_MALFORMED);  /* total length */
    CHECK_EQUAL(plan_after(size, IP + 9, 17), SEGMENT_GSO_HEADER);   /* not TCP */
    CHECK_EQUAL(plan_after(size, IP + 6, 0x20), SEGMENT_GSO_HEADER); /* a fragment */
    CHECK_EQUAL(plan_after(size, IP + 7, 0x01), SEGMENT_GSO_HEADER);
    CHECK_EQUAL(plan_after(size, TCP + 12, 0x40), SEGMENT_GSO_HEADER); /* data offset */
    CHECK_EQUAL(plan_after(size, 1, 3), SEGMENT_GSO_KIND);             /* UFO */
    CHECK_EQUAL(plan_after(size, 1, VNET_GSO_UDP_L4), SEGMENT_GSO_HEADER);
    for (uint32_t cut = 0; cut < VNET_HEADER_SIZE + 20; cut++)
        CHECK_EQUAL(segment_plan(read_buffer, cut, &plan), SEGMENT_SHORT);
    for (uint32_t cut = VNET_HEADER_SIZE + 20; cut < size; cut++)
        CHECK_EQUAL(segment_plan(read_buffer, cut, &plan), SEGMENT_MALFORMED);
    put_vnet(VNET_GSO_TCPV4, 0, 20, 16);
    CHECK_EQUAL(segment_plan(read_buffer, size, &plan), SEGMENT_GSO_SIZE);
}

static void test_checksum_place_is_checked(void)
{
    struct make m = MAKE_DEFAULT;
    struct segment_plan plan;
    m.payload = payload;
    m.payload_size = 4;
    uint32_t size = super(&m, 1, 0), packet_size = size - VNET_HEADER_SIZE;
    for (uint32_t start = 1; start < 0x10000; start += 1 + start / 50) {
        for (uint32_t offset = 0; offset < 0x10000; offset += 1 + offset / 50) {
            put_vnet(VNET_GSO_NONE, 0, (uint16_t)start, (uint16_t)offset);
            int fine = start >= 20 && offset % 2 == 0 && start + offset + 2 <= packet_size;
            CHECK_EQUAL(segment_plan(read_buffer, size, &plan), fine ? SEGMENT_FINE : SEGMENT_CHECKSUM);
        }
    }
}

static void test_every_error_has_a_name(void)
{
    for (int error = 0; error < SEGMENT_ERRORS; error++)
        CHECK(segment_error_name((enum segment_error)error) && strlen(segment_error_name((enum segment_error)error)) > 3);
}

int main(void)
{
    test_seed();
    test_random_octets(payload, sizeof payload);
    out = malloc(OUT_SIZE);
    if (!out)
        return 1;
    TEST(test_tcp_super_packets);
    TEST(test_window_reduced_flag_on_first_only);
    TEST(test_identification_and_sequence_wrap);
    TEST(test_udp_super_packets);
    TEST(test_ip_options_are_repeated);
    TEST(test_lone_packet_gets_its_checksum);
    TEST(test_udp_checksum_of_zero_is_sent_as_ones);
    TEST(test_udp_without_checksum_stays_without);
    TEST(test_finished_packet_is_copied_as_it_is);
    TEST(test_batches_make_the_same_octets);
    TEST(test_refusals_by_name);
    TEST(test_checksum_place_is_checked);
    TEST(test_every_error_has_a_name);
    free(out);
    return test_result();
}
