/* What a packet costs in the pure part of the data plane: nanoseconds a packet and GB/s of payload for
 * 44 segments of 1360 octets, best of several runs. `packet_bench` prints lines for a reader. */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "checksum.h"
#include "coalesce.h"
#include "duplicate.h"
#include "segment.h"

#include "make.h"

enum { SEGMENTS = 44, SEGMENT_PAYLOAD = 1360, HEADROOM = 4, RUNS = 20, ROUNDS = 500 };

static uint8_t read_buffer[SEGMENT_READ_SIZE_MAX];
static uint8_t out[SEGMENTS * 1600], pristine[SEGMENTS * 1600];
static uint8_t payload[SEGMENTS * SEGMENT_PAYLOAD];
static struct coalesce_run run;
static struct duplicate_table table;
static volatile uint64_t sink;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static size_t segment_once(void)
{
    static const uint8_t template[HEADROOM] = {4, 4, 0, 0};
    struct segment_plan plan;
    if (segment_plan(read_buffer, VNET_HEADER_SIZE + 40 + sizeof payload, &plan) != SEGMENT_FINE)
        abort();
    return segment_write(&plan, 0, plan.count, template, HEADROOM, out);
}

static void run_segment(void)
{
    sink += segment_once();
}

static void restore_headers(void)
{
    memcpy(out, pristine, HEADROOM + 40);
}

static void run_coalesce(void)
{
    struct iovec iov[COALESCE_IOVEC_MAX];
    const size_t stride = HEADROOM + 40 + SEGMENT_PAYLOAD;
    restore_headers(); /* the first packet's headers are rewritten in place */
    coalesce_begin(&run, true, 1500);
    for (int i = 0; i < SEGMENTS; i++) {
        struct ipv4_view view;
        if (ipv4_parse(out + (size_t)i * stride + HEADROOM, 40 + SEGMENT_PAYLOAD, &view) != IPV4_FINE)
            abort();
        coalesce_add(&run, &view);
    }
    if (run.item_count != 1)
        abort();
    sink += (uint64_t)coalesce_item(&run, 0, iov);
}

static void run_duplicate(void)
{
    const size_t stride = HEADROOM + 40 + SEGMENT_PAYLOAD;
    for (int i = 0; i < SEGMENTS; i++) {
        struct ipv4_view view;
        ipv4_parse(out + (size_t)i * stride + HEADROOM, 40 + SEGMENT_PAYLOAD, &view);
        sink += duplicate_seen(&table, &view, 1 + (uint32_t)(sink & 1), 0);
    }
}

static void run_sum(void)
{
    sink += checksum_sum(payload, sizeof payload);
}

static void run_copy_and_sum(void)
{
    sink += checksum_copy(out, payload, sizeof payload);
}

static void run_memcpy(void)
{
    memcpy(out, payload, sizeof payload);
    sink += out[sink % sizeof payload];
}

static void measure(const char *name, void (*function)(void))
{
    double best = 0;
    for (int i = 0; i < RUNS; i++) {
        uint64_t start = now_ns();
        for (int round = 0; round < ROUNDS; round++)
            function();
        double ns = (double)(now_ns() - start) / ROUNDS;
        if (best == 0 || ns < best)
            best = ns;
    }
    printf("%-16s %8.1f ns/packet %8.2f GB/s\n", name, best / SEGMENTS, sizeof payload / best);
}

int main(void)
{
    struct make m = MAKE_DEFAULT;
    struct vnet_header vnet = {
        .flags = VNET_NEEDS_CHECKSUM,
        .gso_type = VNET_GSO_TCPV4,
        .header_size = 40,
        .segment_payload = SEGMENT_PAYLOAD,
        .checksum_start = 20,
        .checksum_offset = 16,
    };
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 31 >> 3);
    m.payload = payload;
    m.payload_size = sizeof payload;
    memcpy(read_buffer, &vnet, sizeof vnet);
    make_tcp(read_buffer + sizeof vnet, &m);
    measure("segment", run_segment);
    segment_once();
    memcpy(pristine, out, sizeof out);
    measure("coalesce", run_coalesce);
    restore_headers();
    duplicate_begin(&table, payload);
    measure("duplicate", run_duplicate);
    measure("sum", run_sum);
    measure("copy and sum", run_copy_and_sum);
    measure("memcpy", run_memcpy);
    return 0;
}
