/* The fast sums against the slow one, at every small size and alignment. */
#include "checksum.h"

#include "make.h"
#include "test.h"

enum { SIZE = 65536 + 64 };

static uint8_t data[SIZE], copy[SIZE];

static uint16_t network(uint16_t raw)
{
    uint8_t octets[2];
    store_raw16(octets, raw);
    return load_be16(octets);
}

static uint32_t slow(const uint8_t *at, size_t size)
{
    return slow_sum(0, at, size);
}

/* All ones and zero are one number. */
static uint32_t canonical(uint32_t sum)
{
    return sum == 0xffff ? 0 : sum;
}

static void test_example_of_rfc_1071(void)
{
    const uint8_t octets[8] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    CHECK_EQUAL(network(checksum_fold(checksum_sum(octets, 8))), 0xddf2);
    CHECK_EQUAL(network(checksum_finish(checksum_sum(octets, 8))), 0x220d);
}

static void test_every_size_and_alignment(void)
{
    for (size_t size = 0; size < 400; size++) {
        for (size_t offset = 0; offset < 16; offset++) {
            uint32_t wanted = canonical(slow(data + offset, size));
            CHECK_EQUAL(canonical(network(checksum_fold(checksum_sum(data + offset, size)))), wanted);
            memset(copy, 0x5a, size + 64);
            uint64_t sum = checksum_copy(copy + 16 - offset, data + offset, size);
            CHECK_EQUAL(canonical(network(checksum_fold(sum))), wanted);
            CHECK_OCTETS(copy + 16 - offset, data + offset, size);
            CHECK_EQUAL(copy[16 - offset + size], 0x5a);
            CHECK(copy[15 - offset] == 0x5a);
        }
    }
}

static void test_no_carry_is_lost(void)
{
    const uint8_t fills[] = {0x00, 0xff, 0x80, 0x01};
    for (size_t i = 0; i < sizeof fills; i++) {
        memset(copy, fills[i], SIZE);
        for (size_t size = 65500; size <= 65536; size++) {
            uint64_t sum = checksum_sum(copy, size);
            CHECK(sum < (uint64_t)1 << 48);
            CHECK_EQUAL(canonical(network(checksum_fold(sum))), canonical(slow(copy, size)));
        }
    }
}

static void test_fold_of_extremes(void)
{
    CHECK_EQUAL(checksum_fold(0), 0);
    CHECK_EQUAL(checksum_fold(0xffff), 0xffff);
    CHECK_EQUAL(checksum_fold(0x10000), 1);
    CHECK_EQUAL(checksum_fold(0xffffffffffffffff), 0xffff);
    for (int i = 0; i < 100000; i++) {
        uint64_t sum = (uint64_t)test_random() << 32 | test_random();
        CHECK_EQUAL(checksum_fold(sum) % 0xffff, sum % 0xffff);
    }
}

static void test_pieces_at_odd_offsets(void)
{
    for (size_t cut = 0; cut < 100; cut++) {
        uint64_t head = checksum_sum(data, cut), tail = checksum_sum(data + cut, 100 - cut);
        uint64_t sum = head + (cut % 2 ? checksum_odd(tail) : tail);
        CHECK_EQUAL(canonical(network(checksum_fold(sum))), canonical(slow(data, 100)));
    }
}

/* RFC 1624 section 4: the case that its predecessor got wrong. */
static void test_update_example_of_rfc_1624(void)
{
    uint8_t check[2] = {0xdd, 0x2f}, was[2] = {0x55, 0x55}, is[2] = {0x32, 0x85};
    uint16_t updated = checksum_update16(load_raw16(check), load_raw16(was), load_raw16(is));
    CHECK_EQUAL(updated, 0x0000);
}

static void test_update_agrees_with_summing_again(void)
{
    for (int i = 0; i < 100000; i++) {
        uint8_t words[20];
        test_random_octets(words, sizeof words);
        if (i % 3 == 0)
            memset(words + 2, i % 2 ? 0xff : 0, 16);
        words[19] |= 1; /* nothing but zeros has two right checksums; no header is that */
        store_raw16(words, 0);
        store_raw16(words, checksum_finish(checksum_sum(words, sizeof words)));
        uint8_t *word = words + 2 + 2 * test_random_below(8);
        uint16_t was = load_raw16(word);
        store_raw16(word, (uint16_t)test_random());
        store_raw16(words, checksum_update16(load_raw16(words), was, load_raw16(word)));
        CHECK(checksum_right(checksum_sum(words, sizeof words)));
    }
}

static void test_pseudo_header(void)
{
    uint8_t packet[64];
    struct make m = MAKE_DEFAULT;
    make_ipv4(packet, &m, 6, 20);
    CHECK_EQUAL(canonical(network(checksum_fold(checksum_pseudo(packet, 6, 1234)))),
                canonical(slow_pseudo(packet, 6, 1234)));
}

static void test_udp_never_sends_zero(void)
{
    CHECK_EQUAL(checksum_finish_udp(0xffff), 0xffff);
    CHECK_EQUAL(checksum_finish_udp(0), 0xffff);
    CHECK_EQUAL(checksum_finish_udp(1), 0xfffe);
    CHECK_EQUAL(checksum_finish(0xffff), 0);
}

int main(void)
{
    test_seed();
    test_random_octets(data, sizeof data);
    TEST(test_example_of_rfc_1071);
    TEST(test_every_size_and_alignment);
    TEST(test_no_carry_is_lost);
    TEST(test_fold_of_extremes);
    TEST(test_pieces_at_odd_offsets);
    TEST(test_update_example_of_rfc_1624);
    TEST(test_update_agrees_with_summing_again);
    TEST(test_pseudo_header);
    TEST(test_udp_never_sends_zero);
    return test_result();
}
