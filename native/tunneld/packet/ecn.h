/* Congestion marks and DSCP across a tunnel: RFC 6040, normal mode, and RFC 2003 3.1 (TOS copied).
 *
 * In:   the outer header gets the inner's DSCP and ECN field as they are (RFC 6040 4.1).
 * Out:  RFC 6040 4.2, figure 4; what comes out is written to the inner header:
 *
 *              outer:  Not-ECT        ECT(0)         ECT(1)         CE
 *   inner Not-ECT      Not-ECT        Not-ECT (!!!)  Not-ECT (!!!)  drop (!!!)
 *         ECT(0)       ECT(0)         ECT(0)         ECT(1)         CE
 *         ECT(1)       ECT(1)         ECT(1) (!)     ECT(1)         CE
 *         CE           CE             CE             CE (!!!)       CE
 *
 * (!!!) and (!) are the currently unused combinations: counted, the first also worth a log line. The
 * outer's DSCP is forgotten. */
#ifndef CAREOF_PACKET_ECN_H
#define CAREOF_PACKET_ECN_H

#include <stdint.h>

#include "bytes.h"
#include "checksum.h"

enum { ECN_NOT_ECT = 0, ECN_ECT_1 = 1, ECN_ECT_0 = 2, ECN_CE = 3 };

enum ecn_verdict {
    ECN_FINE = 0,
    ECN_DROP,             /* CE on a packet whose ends cannot take it as a mark */
    ECN_UNUSED_DANGEROUS, /* (!!!): forwarded, count it and log it at a bounded rate */
    ECN_UNUSED,           /* (!): forwarded, count it */
    ECN_VERDICTS,
};

static inline uint8_t ecn_encapsulate(uint8_t inner_tos)
{
    return inner_tos;
}

struct ecn_row {
    uint8_t mark;
    uint8_t verdict;
};

/* Applies the table to a decapsulated packet in place; its header checksum is updated, never made
 * right (RFC 1624). The packet was accepted by ipv4_parse(). */
static inline enum ecn_verdict ecn_decapsulate(uint8_t *packet, uint8_t outer_tos)
{
    static const struct ecn_row table[4][4] = {
        /* inner, then outer: Not-ECT, ECT(1), ECT(0), CE */
        [ECN_NOT_ECT] = {{ECN_NOT_ECT, ECN_FINE},
                         {ECN_NOT_ECT, ECN_UNUSED_DANGEROUS},
                         {ECN_NOT_ECT, ECN_UNUSED_DANGEROUS},
                         {ECN_NOT_ECT, ECN_DROP}},
        [ECN_ECT_1] = {{ECN_ECT_1, ECN_FINE}, {ECN_ECT_1, ECN_FINE}, {ECN_ECT_1, ECN_UNUSED}, {ECN_CE, ECN_FINE}},
        [ECN_ECT_0] = {{ECN_ECT_0, ECN_FINE}, {ECN_ECT_1, ECN_FINE}, {ECN_ECT_0, ECN_FINE}, {ECN_CE, ECN_FINE}},
        [ECN_CE] = {{ECN_CE, ECN_FINE}, {ECN_CE, ECN_UNUSED_DANGEROUS}, {ECN_CE, ECN_FINE}, {ECN_CE, ECN_FINE}},
    };
    uint8_t inner = packet[1] & 3;
    struct ecn_row row = table[inner][outer_tos & 3];
    if (row.mark != inner) {
        uint16_t was = load_raw16(packet);
        packet[1] = (uint8_t)((packet[1] & ~3) | row.mark);
        store_raw16(packet + 10, checksum_update16(load_raw16(packet + 10), was, load_raw16(packet)));
    }
    return (enum ecn_verdict)row.verdict;
}

#endif
