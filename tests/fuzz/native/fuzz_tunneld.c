/* All of tunneld but its process: messages, packets of the TUN, datagrams of uplinks and time, in any order.
 *
 * input:  op size16 octets  op size16 octets ...
 *
 * The helper is played here: its sockets are real ones of the loopback, so that what tunneld sends and
 * receives goes through the kernel. Before each input one tunnel of each kind stands; after it an empty
 * replay must leave nothing. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apply.h"
#include "fuzz.h"
#include "hold.h"
#include "log.h"
#include "tunneld.h"
#include "watch.h"

enum { OP_MESSAGE, OP_TUN, OP_UDP, OP_IPIP, OP_GRE, OP_MINIMAL, OP_ICMP, OP_TIME, OPS };
enum { UPLINK = 1, HOME = 0x0a4d0002, LOOPBACK = 0x7f000001 };

static struct tunneld tunneld;
static int tun_far, raw_far[RAW_PROTOCOLS] = {-1, -1, -1, -1}, peer = -1, careofd = -1;
static uint16_t uplink_port, peer_port;

static uint16_t bound_port(int fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(LOOPBACK)};
    socklen_t size = sizeof address;
    PROMISE(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    PROMISE(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    return ntohs(address.sin_port);
}

static int udp_socket(uint16_t *port)
{
    int one = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    PROMISE(fd >= 0);
    setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
    setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &one, sizeof one);
    setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &one, sizeof one);
    *port = bound_port(fd);
    return fd;
}

/* In the place of native/tunneld/ask.c. */
bool helper_ask(struct helper *helper, const struct helper_request *request, struct helper_answer *answer,
                int *descriptor)
{
    int pair[2];
    (void)helper;
    memset(answer, 0, sizeof *answer);
    if (request->verb == HELPER_OPEN_UDP) {
        *descriptor = udp_socket(&uplink_port);
    } else if (request->verb == HELPER_OPEN_RAW) {
        int *far = &raw_far[request->size == 47   ? RAW_GRE
                            : request->size == 55 ? RAW_MINIMAL
                            : request->size == 1  ? RAW_ICMP
                                                  : RAW_IPIP];
        PROMISE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) == 0);
        if (*far >= 0)
            close(*far);
        *far = pair[1];
        *descriptor = pair[0];
    } else if (request->verb == HELPER_OPEN_LINK) {
        *descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    }
    return true;
}

static void begin_once(void)
{
    static const uint8_t key[16] = {1};
    int pair[2];
    if (peer >= 0)
        return;
    log_begin("fuzz", LOG_ERROR);
    PROMISE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) == 0);
    tunneld.tun.fd = pair[0];
    tun_far = pair[1];
    peer = udp_socket(&peer_port);
    tunneld.exit_code = -1;
    tunneld.offloads = WIRE_OFFLOAD_TUN_TSO | WIRE_OFFLOAD_TUN_USO | WIRE_OFFLOAD_UDP_SEGMENT;
    state_begin(&tunneld.state, 7);
    signals_begin(&tunneld.signals, 7);
    PROMISE(out_begin(&tunneld) && in_begin(&tunneld, 99, key) && loop_begin(&tunneld.loop));
    PROMISE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0);
    PROMISE(control_begin(&tunneld));
    tunneld.control.client.fd = pair[0];
    careofd = pair[1];
}

static void say(uint16_t kind, struct message message)
{
    message.header.kind = kind;
    apply(&tunneld, &message);
}

static void stand(void)
{
    static const uint8_t one[] = {0, 0, 0, 1};
    struct message_list first = {.octets = one, .count = 1};
    say(MESSAGE_REPLAY_BEGIN, (struct message){0});
    say(MESSAGE_SET_TUN, (struct message){.as.set_tun = {.address = HOME, .mtu = 1400}});
    say(MESSAGE_SET_UPLINK, (struct message){.as.set_uplink = {.uplink = UPLINK, .device = "up0", .port = 434}});
    for (uint32_t kind = WIRE_KIND_IPIP; kind <= WIRE_KIND_MIP_UDP_GRE; kind++) {
        say(MESSAGE_SET_TUNNEL,
            (struct message){.as.set_tunnel = {.tunnel = kind, .kind = (uint8_t)kind, .uplink = UPLINK,
                                               .peer = LOOPBACK, .peer_port = peer_port}});
        say(MESSAGE_SET_INNER, (struct message){.as.set_inner = {.tunnel = kind}});
    }
    say(MESSAGE_SET_PATH, (struct message){.as.set_path = {.path = 1, .packet_size = 576, .patience_ms = 1,
                                                           .tunnels = first}});
    say(MESSAGE_SET_ROUTE, (struct message){.as.set_route = {.gate = WIRE_GATE_OPEN, .valid_s = 60, .paths = first}});
    say(MESSAGE_SET_PROBE, (struct message){.as.set_probe = {.identifier = 0xca0f}});
    /* One that listens as it is, one behind a foreign agent: by the default route, in fragments if need be. */
    say(MESSAGE_SET_LISTENER, (struct message){.as.set_listener = {.home_address = HOME + 1, .length = 8}});
    say(MESSAGE_SET_LISTENER,
        (struct message){.as.set_listener = {.home_address = HOME + 2, .length = 8, .outer = LOOPBACK}});
}

static void fall(void)
{
    say(MESSAGE_REPLAY_BEGIN, (struct message){0});
    say(MESSAGE_REPLAY_END, (struct message){0});
    const struct state *state = &tunneld.state;
    PROMISE(state->uplinks.count == 0 && state->tunnels.count == 0 && state->paths.count == 0);
    PROMISE(state->routes.count == 0 && state->arrivals.count == 0 && state->shared_rows.count == 0);
    PROMISE(state->sources.count == 0 && state->row_index.count == 0 && state->links.count == 0);
    PROMISE(state->kernel_rows.count == 0 && state->probe_count == 0 && state->watched == NULL);
    PROMISE(state->listener_count == 0);
    PROMISE(hold_expire(&tunneld) == UINT64_MAX);
}

static void read_all(int fd)
{
    static uint8_t sink[65536];
    while (fd >= 0 && recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0)
        ;
}

static void one_message(const uint8_t *data, size_t size)
{
    struct message message;
    const char *bad;
    memset(&message, 0, sizeof message);
    if (codec_unpack(message_rows, MESSAGE_ROW_COUNT, data, size, &message.header, &message.as, &bad) == CODEC_FINE)
        apply(&tunneld, &message);
}

static void one_datagram(const uint8_t *data, size_t size)
{
    struct uplink *uplink = map_get(&tunneld.state.uplinks, UPLINK);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(LOOPBACK), .sin_port = htons(uplink_port)};
    if (uplink && uplink->udp.fd >= 0 && sendto(peer, data, size, 0, (struct sockaddr *)&to, sizeof to) >= 0)
        in_udp_ready(&tunneld, &uplink->udp, 0);
}

static void one_raw(enum raw_protocol protocol, const uint8_t *data, size_t size)
{
    struct uplink *uplink = map_get(&tunneld.state.uplinks, UPLINK);
    if (uplink && uplink->raw[protocol].watcher.fd >= 0 && size && send(raw_far[protocol], data, size, 0) >= 0)
        in_raw_ready(&tunneld, &uplink->raw[protocol].watcher, 0);
}

static void one_op(uint8_t op, const uint8_t *data, size_t size)
{
    if (op == OP_MESSAGE)
        one_message(data, size);
    else if (op == OP_TUN && size && send(tun_far, data, size, 0) >= 0)
        out_tun_ready(&tunneld, &tunneld.tun, 0);
    else if (op == OP_UDP)
        one_datagram(data, size);
    else if (op == OP_IPIP || op == OP_GRE || op == OP_MINIMAL || op == OP_ICMP)
        one_raw((enum raw_protocol)(op - OP_IPIP), data, size);
    else if (op == OP_TIME)
        tunneld.now_us += (uint64_t)size * 10000;
    watch_expire(&tunneld);
    hold_expire(&tunneld);
    apply_expiries(&tunneld);
    PROMISE(tunneld.sender.outgoing_count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin_once();
    if (!channel_has_client(&tunneld.control)) /* it did not read for too long, in an input before */
        abort();
    stand();
    tunneld.now_us += 1000000;
    while (size >= 3) {
        uint8_t op = data[0] % OPS;
        size_t length = (size_t)data[1] << 8 | data[2];
        data += 3;
        size -= 3;
        if (length > size)
            length = size;
        uint8_t *piece = fuzz_copy(data, length);
        one_op(op, piece, length);
        free(piece);
        data += length;
        size -= length;
        read_all(careofd);
        read_all(tun_far);
        read_all(peer);
        for (int i = 0; i < RAW_PROTOCOLS; i++)
            read_all(raw_far[i]);
    }
    fall();
    read_all(careofd);
    return 0;
}
