/* RFC 6040 figures 3 and 4, written out as the RFC has them: rows and columns in its order. */
#include "ecn.h"

#include "make.h"
#include "test.h"

enum { NOT = 0, ECT0 = 2, ECT1 = 1, CE = 3, DROP = 4 };

static const uint8_t ORDER[4] = {NOT, ECT0, ECT1, CE};
static const uint8_t FIGURE_4[4][4] = {
    {NOT, NOT, NOT, DROP},
    {ECT0, ECT0, ECT1, CE},
    {ECT1, ECT1, ECT1, CE},
    {CE, CE, CE, CE},
};
static const char *const ALARMS[4][4] = {
    {"", "!!!", "!!!", "!!!"},
    {"", "", "", ""},
    {"", "!", "", ""},
    {"", "", "!!!", ""},
};

static void test_figure_4(void)
{
    for (int row = 0; row < 4; row++) {
        for (int column = 0; column < 4; column++) {
            for (int dscp = 0; dscp < 64; dscp++) {
                uint8_t packet[64], before[20];
                struct make m = MAKE_DEFAULT;
                m.tos = (uint8_t)(dscp << 2 | ORDER[row]);
                m.identification = (uint16_t)test_random();
                make_ipv4(packet, &m, 17, 0);
                memcpy(before, packet, 20);
                enum ecn_verdict verdict = ecn_decapsulate(packet, (uint8_t)(0xfc | ORDER[column]));
                if (FIGURE_4[row][column] == DROP) {
                    CHECK_EQUAL(verdict, ECN_DROP);
                    continue;
                }
                const char *alarm = ALARMS[row][column];
                CHECK_EQUAL(verdict, *alarm == 0 ? ECN_FINE : alarm[1] ? ECN_UNUSED_DANGEROUS : ECN_UNUSED);
                CHECK_EQUAL(packet[1] & 3, FIGURE_4[row][column]);
                CHECK_EQUAL(packet[1] >> 2, dscp); /* the outer's is forgotten */
                CHECK_EQUAL(slow_sum(0, packet, 20), 0xffff);
                CHECK_OCTETS(packet + 2, before + 2, 8);
                CHECK_OCTETS(packet + 12, before + 12, 8);
            }
        }
    }
}

static void test_figure_3_normal_mode_and_dscp(void)
{
    for (int tos = 0; tos < 256; tos++)
        CHECK_EQUAL(ecn_encapsulate((uint8_t)tos), tos);
}

static void test_a_wrong_header_checksum_stays_wrong(void)
{
    uint8_t packet[64];
    struct make m = MAKE_DEFAULT;
    m.tos = ECT0;
    make_ipv4(packet, &m, 17, 0);
    packet[11] ^= 1;
    ecn_decapsulate(packet, CE);
    CHECK_EQUAL(packet[1] & 3, CE);
    CHECK(slow_sum(0, packet, 20) != 0xffff);
}

int main(void)
{
    test_seed();
    TEST(test_figure_4);
    TEST(test_figure_3_normal_mode_and_dscp);
    TEST(test_a_wrong_header_checksum_stays_wrong);
    return test_result();
}
