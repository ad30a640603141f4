/* A run of sound packets told by the input, four octets each (which flow, what is unusual, how long), so
 * that what is coalesced is reached at once. Segmenting it again must give every packet back. */
#include "coalesce.h"

#include "bytes.h"
#include "fuzz.h"
#include "segment.h"

#include "../../native/make.h"

enum { FLOWS = 4, STEP_SIZE = 4, PAYLOAD_MAX = 1400 };

static struct coalesce_run run;
static uint8_t packets[COALESCE_RUN_MAX][PAYLOAD_MAX + 100], copies[COALESCE_RUN_MAX][PAYLOAD_MAX + 100];
static uint32_t flow_of[COALESCE_RUN_MAX];
static uint8_t payload[PAYLOAD_MAX];

static uint32_t make_packet(struct make *flow, const uint8_t *step, uint8_t *packet)
{
    static const uint8_t options[12] = {1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4};
    struct make m = *flow;
    uint8_t odd = step[1];
    m.payload = payload;
    m.payload_size = (uint32_t)load_be16(step + 2) % (PAYLOAD_MAX + 1);
    m.flags = (uint8_t)(0x10 | (odd == 1 ? 0x08 : odd == 2 ? 0x01 : odd == 3 ? 0x80 : odd == 4 ? 0x02 : 0));
    m.tos = odd == 5 ? 3 : 0;
    m.ttl = odd == 6 ? 1 : 64;
    m.sequence += odd == 7;
    m.identification = (uint16_t)(m.identification + (odd == 8));
    m.fragment = odd == 9 ? 0 : odd == 10 ? 0x2000 : odd == 11 ? 0x0020 : 0x4000;
    m.options = odd == 12 ? options : NULL;
    m.options_size = odd == 12 ? sizeof options : 0;
    m.ip_options = odd == 13 ? options : NULL;
    m.ip_options_size = odd == 13 ? 4 : 0;
    uint32_t size = step[0] & 4 ? make_udp(packet, &m) : make_tcp(packet, &m);
    if (odd == 14)
        packet[size - 1] ^= 0xff;
    if (odd == 15)
        packet[10] ^= 1;
    flow->sequence = m.sequence + m.payload_size;
    flow->identification = (uint16_t)(m.identification + 1);
    return size;
}

/* The next packet of some flow in the order it was given, or the octets are not ours. */
static void account(const uint8_t *at, uint32_t count, uint32_t next[2 * FLOWS])
{
    for (uint32_t flow = 0; flow < 2 * FLOWS; flow++) {
        uint32_t index = next[flow];
        while (index < count && flow_of[index] != flow)
            index++;
        if (index < count && memcmp(at, copies[index], load_be16(copies[index] + 2)) == 0) {
            next[flow] = index + 1;
            return;
        }
    }
    PROMISE(!"a packet that was put in, in its flow's order");
}

static void check_run(uint32_t count)
{
    static uint8_t written[SEGMENT_READ_SIZE_MAX], out[2 * SEGMENT_READ_SIZE_MAX];
    uint32_t next[2 * FLOWS] = {0}, packets_out = 0;
    for (uint32_t i = 0; i < run.item_count; i++) {
        struct iovec iov[COALESCE_IOVEC_MAX];
        struct segment_plan plan;
        size_t size = 0;
        int pieces = coalesce_item(&run, i, iov);
        for (int piece = 0; piece < pieces; piece++) {
            PROMISE(size + iov[piece].iov_len <= sizeof written);
            memcpy(written + size, iov[piece].iov_base, iov[piece].iov_len);
            size += iov[piece].iov_len;
        }
        PROMISE(segment_plan(written, size, &plan) == SEGMENT_FINE);
        segment_write(&plan, 0, plan.count, NULL, 0, out);
        const uint8_t *at = out;
        for (uint32_t s = 0; s < plan.count; s++, packets_out++) {
            account(at, count, next);
            at += load_be16(at + 2);
        }
    }
    PROMISE(packets_out == count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct make flows[2 * FLOWS];
    uint32_t count = 0;
    for (uint32_t f = 0; f < 2 * FLOWS; f++) {
        flows[f] = MAKE_DEFAULT;
        flows[f].source_port = (uint16_t)(1000 + f);
    }
    coalesce_begin(&run, true, 1400);
    for (size_t at = 0; at + STEP_SIZE <= size && count < COALESCE_RUN_MAX; at += STEP_SIZE, count++) {
        struct ipv4_view view;
        uint32_t flow = data[at] & 7;
        uint32_t packet_size = make_packet(&flows[flow], data + at, packets[count]);
        memcpy(copies[count], packets[count], packet_size);
        flow_of[count] = flow;
        PROMISE(ipv4_parse(packets[count], packet_size, &view) == IPV4_FINE);
        PROMISE(coalesce_add(&run, &view));
    }
    check_run(count);
    return 0;
}
