/* MSS lowering and inner fragmentation; fragments are put together again as RFC 815 does it. */
#include "fit.h"

#include "make.h"
#include "test.h"

static uint8_t packet[IPV4_SIZE_MAX], payload[IPV4_SIZE_MAX];

static struct ipv4_view parse(uint32_t size)
{
    struct ipv4_view view = {0};
    CHECK_EQUAL(ipv4_parse(packet, size, &view), IPV4_FINE);
    return view;
}

static uint32_t make_syn(const uint8_t *options, uint32_t size, uint8_t flags)
{
    struct make m = MAKE_DEFAULT;
    m.flags = flags;
    m.options = options;
    m.options_size = (uint8_t)size;
    return make_tcp(packet, &m);
}

static void test_mss_is_lowered_wherever_the_option_lies(void)
{
    static const struct {
        uint8_t options[16];
        uint32_t at;
    } cases[] = {
        {{2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0}, 2}, /* first, as most send it */
        {{1, 2, 4, 0x05, 0xb4, 0, 0, 0}, 3},                          /* at an odd offset */
        {{1, 1, 4, 2, 2, 4, 0x05, 0xb4}, 6},                          /* after others */
        {{3, 3, 7, 2, 4, 0x05, 0xb4, 0}, 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (uint8_t flags = 2; flags <= 0x12; flags = (uint8_t)(flags + 0x10)) {
            struct ipv4_view view = parse(make_syn(cases[i].options, 16, flags));
            CHECK(!fit_lower_mss(&view, 1500));
            CHECK_EQUAL(get16(packet + 40 + cases[i].at), 1460);
            CHECK(fit_lower_mss(&view, 1400));
            CHECK_EQUAL(get16(packet + 40 + cases[i].at), 1360);
            CHECK(sound(packet));
            CHECK(!fit_lower_mss(&view, 1400));
            CHECK(fit_lower_mss(&view, 68));
            CHECK_EQUAL(get16(packet + 40 + cases[i].at), 28);
            CHECK(sound(packet));
        }
    }
}

static void test_mss_checksum_for_every_value(void)
{
    for (uint32_t mss = 0; mss <= 0xffff; mss += 13) {
        const uint8_t options[8] = {1, 2, 4, (uint8_t)(mss >> 8), (uint8_t)mss, 1, 1, 1};
        struct ipv4_view view = parse(make_syn(options, 8, 2));
        CHECK_EQUAL(fit_lower_mss(&view, 1400), mss > 1360);
        CHECK(sound(packet));
    }
}

static void test_mss_is_left_where_there_is_none_to_lower(void)
{
    static const uint8_t cases[][8] = {
        {2, 3, 0x05, 0xb4, 1, 1, 1, 1},    /* the wrong length */
        {2, 0, 0x05, 0xb4, 1, 1, 1, 1},    /* no length: would not end */
        {0, 2, 4, 0x05, 0xb4, 1, 1, 1},    /* behind the end */
        {8, 9, 2, 4, 0x05, 0xb4, 1, 1},    /* beyond the header */
        {1, 1, 1, 1, 1, 2, 4, 0x05},       /* cut off */
        {1, 1, 1, 1, 1, 1, 1, 2},          /* cut off before its length */
        {3, 3, 7, 1, 1, 1, 1, 1},          /* without */
    };
    uint8_t before[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t size = make_syn(cases[i], 8, 2);
        struct ipv4_view view = parse(size);
        memcpy(before, packet, size);
        CHECK(!fit_lower_mss(&view, 1000));
        CHECK_OCTETS(packet, before, size);
    }
    const uint8_t mss[4] = {2, 4, 0x05, 0xb4};
    struct ipv4_view view = parse(make_syn(mss, 4, 0x10));
    CHECK(!fit_lower_mss(&view, 1000)); /* not a SYN */
    make_syn(mss, 4, 2);
    put16(packet + 6, 1); /* what looks like one in a later fragment */
    view = parse(44);
    CHECK(!fit_lower_mss(&view, 1000));
}

/* Reassembles into `whole`; returns the size of all the payload. */
static uint32_t reassemble(const struct fragment_plan *plan, uint16_t packet_size, uint8_t *whole)
{
    static const uint8_t template[4] = {4, 4, 0, 0};
    static uint8_t out[IPV4_SIZE_MAX + 4];
    const struct ipv4_view *view = plan->view;
    uint32_t end = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        size_t size = fragment_write(plan, i, template, sizeof template, out);
        const uint8_t *ipv4 = out + 4;
        uint32_t header = (ipv4[0] & 0xfu) * 4, payload_size = get16(ipv4 + 2) - header;
        uint32_t offset = (get16(ipv4 + 6) & 0x1fff) * 8 - view->fragment_offset;
        CHECK_OCTETS(out, template, 4);
        CHECK_EQUAL(size, 4 + get16(ipv4 + 2));
        CHECK(get16(ipv4 + 2) <= packet_size);
        CHECK_EQUAL(slow_sum(0, ipv4, header), 0xffff);
        CHECK_EQUAL(get16(ipv4 + 4), view->identification);
        CHECK_OCTETS(ipv4 + 8, view->at + 8, 2);
        CHECK_OCTETS(ipv4 + 12, view->at + 12, 8);
        CHECK_EQUAL((get16(ipv4 + 6) & 0x2000) != 0, view->more_fragments || i + 1 < plan->count);
        CHECK_EQUAL(offset, end);
        if (i + 1 < plan->count) {
            CHECK_EQUAL(payload_size % 8, 0);
            CHECK(payload_size + header + 8 > packet_size);
        }
        memcpy(whole + offset, ipv4 + header, payload_size);
        end = offset + payload_size;
    }
    return end;
}

static void test_fragments_make_the_whole(void)
{
    static uint8_t whole[IPV4_SIZE_MAX];
    for (int round = 0; round < 2000; round++) {
        struct make m = MAKE_DEFAULT;
        struct fragment_plan plan;
        m.fragment = (uint16_t)(test_random_below(2) ? 0 : test_random_below(2) * 0x2000 + test_random_below(100));
        m.payload = payload;
        m.payload_size = test_random_below(round % 10 ? 4000 : 64000);
        uint16_t packet_size = (uint16_t)(68 + test_random_below(1500));
        struct ipv4_view view = parse(make_udp(packet, &m));
        CHECK_EQUAL(fragment_plan(&view, packet_size, &plan), FIT_FINE);
        CHECK_EQUAL(plan.count > 1, view.size > packet_size);
        CHECK_EQUAL(reassemble(&plan, packet_size, whole), view.size - 20u);
        CHECK_OCTETS(whole, packet + 20, view.size - 20u);
    }
}

static void test_what_fits_stays_as_it_is(void)
{
    struct make m = MAKE_DEFAULT;
    struct fragment_plan plan;
    uint8_t out[1400];
    m.payload = payload;
    m.payload_size = 1372;
    struct ipv4_view view = parse(make_udp(packet, &m));
    CHECK_EQUAL(fragment_plan(&view, 1400, &plan), FIT_FINE); /* even with DF */
    CHECK_EQUAL(plan.count, 1);
    CHECK_EQUAL(fragment_write(&plan, 0, NULL, 0, out), 1400);
    CHECK_OCTETS(out, packet, 1400);
}

static void test_only_copied_options_follow(void)
{
    /* record route (not copied), strict source route (copied), no-operation */
    static const uint8_t options[16] = {7, 7, 4, 0, 0, 0, 0, 137, 7, 4, 10, 0, 0, 1, 1, 0};
    static uint8_t whole[IPV4_SIZE_MAX];
    struct make m = MAKE_DEFAULT;
    struct fragment_plan plan;
    uint8_t out[600];
    m.fragment = 0;
    m.ip_options = options;
    m.ip_options_size = sizeof options;
    m.payload = payload;
    m.payload_size = 3000;
    struct ipv4_view view = parse(make_udp(packet, &m));
    CHECK_EQUAL(fragment_plan(&view, 576, &plan), FIT_FINE);
    CHECK_EQUAL(plan.next_header_size, 28);
    CHECK_EQUAL(reassemble(&plan, 576, whole), 3008);
    CHECK_OCTETS(whole, packet + 36, 3008);
    fragment_write(&plan, 0, NULL, 0, out);
    CHECK_OCTETS(out + 20, options, 16);
    fragment_write(&plan, 1, NULL, 0, out);
    CHECK_EQUAL(out[0], 0x47);
    CHECK_OCTETS(out + 20, options + 7, 7);
    CHECK_EQUAL(out[27], 0);
}

static void test_fragment_refusals_by_name(void)
{
    static const uint8_t endless[4] = {130, 0, 0, 0}, beyond[4] = {130, 5, 0, 0};
    struct make m = MAKE_DEFAULT;
    struct fragment_plan plan;
    m.payload = payload;
    m.payload_size = 2000;
    struct ipv4_view view = parse(make_udp(packet, &m));
    CHECK_EQUAL(fragment_plan(&view, 1400, &plan), FIT_DONT_FRAGMENT);
    for (uint16_t size = 0; size < FIT_PACKET_SIZE_MIN; size++)
        CHECK_EQUAL(fragment_plan(&view, size, &plan), FIT_PACKET_SIZE);
    m.fragment = 0;
    m.ip_options_size = 4;
    m.ip_options = endless;
    view = parse(make_udp(packet, &m));
    CHECK_EQUAL(fragment_plan(&view, 1400, &plan), FIT_OPTIONS);
    m.ip_options = beyond;
    view = parse(make_udp(packet, &m));
    CHECK_EQUAL(fragment_plan(&view, 1400, &plan), FIT_OPTIONS);
    for (int error = 0; error < FIT_ERRORS; error++)
        CHECK(fit_error_name((enum fit_error)error) != NULL);
}

int main(void)
{
    test_seed();
    test_random_octets(payload, sizeof payload);
    TEST(test_mss_is_lowered_wherever_the_option_lies);
    TEST(test_mss_checksum_for_every_value);
    TEST(test_mss_is_left_where_there_is_none_to_lower);
    TEST(test_fragments_make_the_whole);
    TEST(test_what_fits_stays_as_it_is);
    TEST(test_only_copied_options_follow);
    TEST(test_fragment_refusals_by_name);
    return test_result();
}
