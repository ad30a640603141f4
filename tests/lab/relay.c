/* A line with a length: joins two namespaces by a pair of TAP devices and holds every frame for a while.

     relay --control PATH --delay-us N  NETNS DEVICE  NETNS DEVICE

   Kernels without netem cannot delay, so the lab does it here, for each access network behind its
   gateway:

     gateway ns                    this process                     internet ns
     near device  --read-->  lane toward the far end  --write-->  far device
                  <-write--  lane toward the near end <--read---

   A lane is a ring of frames in order of arrival, each with the time at which it is due. The devices
   carry super-packets whole, with the header of virtio_net(7) in front, so that a frame of 64 KB is one
   read and one write and the line is no bottleneck. Full lanes and closed lanes drop, and count it.

   Whoever owns PATH controls it, one datagram a command, each answered with the state as JSON:

     delay N                  one-way delay in microseconds from now on
     silent none|out|in|both  what is dropped; out: from near to far, in: from far to near
     state                    only the answer */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef TUN_F_USO4 /* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum {
    FRAME_MAX = 65536 + 64,        /* octets: the largest super-packet, Ethernet and virtio headers */
    LANE_SIZE = 16 * 1024 * 1024,  /* octets: 25 ms of 5 Gb/s */
    BATCH = 64,                    /* frames read from one device before the other has its turn */
    COMMAND_MAX = 64,
    DELAY_MAX_US = 10 * 1000 * 1000,
};

struct frame {
    uint64_t due_ns;
    uint32_t size; /* 0: the ring goes on at its beginning */
    uint32_t reserved;
    unsigned char octets[];
};

enum { OUT, IN, LANES };

struct lane {
    int from, to;
    bool silent;
    unsigned char *ring;
    size_t head, tail; /* written next, read next */
    uint64_t passed, octets, silenced, overflowed, refused;
};

struct relay {
    struct lane lane[LANES];
    uint64_t delay_ns;
    int control;
};

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    (void)number;
    ended = 1;
}

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
    va_list arguments;
    fputs("relay: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* A TAP device in a namespace; the process stays in that namespace, and so is ended with it. */
static int open_tap(const char *netns, const char *device)
{
    int namespace = open(netns, O_RDONLY | O_CLOEXEC);
    if (namespace < 0 || setns(namespace, CLONE_NEWNET) < 0)
        fail("%s: %s", netns, strerror(errno));
    close(namespace);
    int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tap < 0)
        fail("/dev/net/tun: %s", strerror(errno));
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    if (strlen(device) >= sizeof request.ifr_name)
        fail("%s: too long for a device's name", device);
    strcpy(request.ifr_name, device);
    int header_size = sizeof(struct virtio_net_hdr);
    if (ioctl(tap, TUNSETIFF, &request) < 0 || ioctl(tap, TUNSETVNETHDRSZ, &header_size) < 0)
        fail("%s: %s", device, strerror(errno));
    unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    if (ioctl(tap, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) < 0 && ioctl(tap, TUNSETOFFLOAD, tcp) < 0)
        fail("%s: offloads: %s", device, strerror(errno));
    return tap;
}

static int open_control(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        fail("%s: too long for a socket's path", path);
    strcpy(address.sun_path, path);
    int control = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (control < 0 || bind(control, (struct sockaddr *)&address, sizeof address) < 0)
        fail("%s: %s", path, strerror(errno));
    return control;
}

/* Where the next frame can be written with FRAME_MAX octets, or NULL when the lane is full. */
static struct frame *lane_room(struct lane *lane)
{
    const size_t need = sizeof(struct frame) + FRAME_MAX;
    if (lane->head >= lane->tail) {
        if (LANE_SIZE - lane->head >= need + sizeof(struct frame))
            return (struct frame *)(lane->ring + lane->head);
        if (lane->tail <= need)
            return NULL;
        ((struct frame *)(lane->ring + lane->head))->size = 0;
        lane->head = 0;
        return (struct frame *)lane->ring;
    }
    return lane->tail - lane->head > need ? (struct frame *)(lane->ring + lane->head) : NULL;
}

static size_t frame_span(uint32_t size)
{
    return (sizeof(struct frame) + size + 15) & ~(size_t)15;
}

static struct frame *lane_first(struct lane *lane)
{
    if (lane->tail == lane->head)
        return NULL;
    struct frame *frame = (struct frame *)(lane->ring + lane->tail);
    if (frame->size)
        return frame;
    lane->tail = 0;
    return lane->tail == lane->head ? NULL : (struct frame *)lane->ring;
}

/* What waits at the device goes into the lane. */
static void lane_fill(struct lane *lane, uint64_t due_ns)
{
    static unsigned char nowhere[FRAME_MAX];
    for (int i = 0; i < BATCH; i++) {
        struct frame *frame = lane->silent ? NULL : lane_room(lane);
        ssize_t size = read(lane->from, frame ? frame->octets : nowhere, FRAME_MAX);
        if (size <= 0) {
            if (size == 0 || errno == EAGAIN || errno == EINTR || errno == EIO) /* EIO: device is down */
                return;
            fail("read: %s", strerror(errno));
        }
        if (!frame) {
            ++*(lane->silent ? &lane->silenced : &lane->overflowed);
            continue;
        }
        frame->due_ns = due_ns;
        frame->size = (uint32_t)size;
        lane->head += frame_span(frame->size);
    }
}

/* What is due goes out. Returns when the next will be due, or UINT64_MAX. */
static uint64_t lane_drain(struct lane *lane, uint64_t now)
{
    struct frame *frame;
    while ((frame = lane_first(lane))) {
        if (frame->due_ns > now)
            return frame->due_ns;
        if (lane->silent) {
            lane->silenced++;
        } else if (write(lane->to, frame->octets, frame->size) < 0) {
            lane->refused++;
        } else {
            lane->passed++;
            lane->octets += frame->size - sizeof(struct virtio_net_hdr);
        }
        lane->tail += frame_span(frame->size);
    }
    return UINT64_MAX;
}

static bool obey(struct relay *relay, const char *command)
{
    static const char *const silences[] = {"none", "out", "in", "both"};
    unsigned delay_us;
    char rest;
    if (sscanf(command, "delay %u%c", &delay_us, &rest) == 1 && delay_us <= DELAY_MAX_US) {
        relay->delay_ns = (uint64_t)delay_us * 1000;
        return true;
    }
    for (unsigned i = 0; i < 4; i++)
        if (strncmp(command, "silent ", 7) == 0 && strcmp(command + 7, silences[i]) == 0) {
            relay->lane[OUT].silent = i & 1;
            relay->lane[IN].silent = i & 2;
            return true;
        }
    return strcmp(command, "state") == 0;
}

static void answer(struct relay *relay)
{
    char text[1024];
    struct sockaddr_un from;
    socklen_t from_size = sizeof from;
    ssize_t size = recvfrom(relay->control, text, COMMAND_MAX, 0, (struct sockaddr *)&from, &from_size);
    if (size < 0)
        return;
    text[size] = 0;
    bool understood = obey(relay, text);
    int length = snprintf(text, sizeof text, "{\"understood\": %s, \"delay_us\": %" PRIu64,
                          understood ? "true" : "false", relay->delay_ns / 1000);
    for (int i = 0; i < LANES; i++) {
        const struct lane *lane = &relay->lane[i];
        length += snprintf(text + length, sizeof text - (size_t)length,
                           ", \"%s\": {\"silent\": %s, \"frames\": %" PRIu64 ", \"octets\": %" PRIu64
                           ", \"silenced\": %" PRIu64 ", \"overflowed\": %" PRIu64 ", \"refused\": %" PRIu64 "}",
                           i == OUT ? "out" : "in", lane->silent ? "true" : "false", lane->passed, lane->octets,
                           lane->silenced, lane->overflowed, lane->refused);
    }
    length += snprintf(text + length, sizeof text - (size_t)length, "}");
    sendto(relay->control, text, (size_t)length, 0, (struct sockaddr *)&from, from_size);
}

static void run(struct relay *relay)
{
    struct pollfd polled[] = {
        {.fd = relay->lane[OUT].from, .events = POLLIN},
        {.fd = relay->lane[IN].from, .events = POLLIN},
        {.fd = relay->control, .events = POLLIN},
    };
    while (!ended) {
        uint64_t now = now_ns(), next = UINT64_MAX;
        for (int i = 0; i < LANES; i++) {
            uint64_t due = lane_drain(&relay->lane[i], now);
            next = due < next ? due : next;
        }
        struct timespec wait = {.tv_sec = 3600};
        if (next != UINT64_MAX)
            wait = (struct timespec){(time_t)((next - now) / 1000000000), (long)((next - now) % 1000000000)};
        if (ppoll(polled, 3, &wait, NULL) < 0 && errno != EINTR)
            fail("ppoll: %s", strerror(errno));
        now = now_ns();
        for (int i = 0; i < LANES; i++)
            if (polled[i].revents)
                lane_fill(&relay->lane[i], now + relay->delay_ns);
        if (polled[2].revents)
            answer(relay);
    }
}

int main(int argc, char **argv)
{
    if (argc != 9 || strcmp(argv[1], "--control") || strcmp(argv[3], "--delay-us"))
        fail("usage: relay --control PATH --delay-us N NETNS DEVICE NETNS DEVICE");
    struct relay relay = {.delay_ns = strtoul(argv[4], NULL, 10) * 1000};
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    relay.control = open_control(argv[2]); /* before the namespaces: it belongs to the lab's owner */
    int far = open_tap(argv[7], argv[8]), near = open_tap(argv[5], argv[6]);
    relay.lane[OUT] = (struct lane){.from = near, .to = far};
    relay.lane[IN] = (struct lane){.from = far, .to = near};
    for (int i = 0; i < LANES; i++)
        if (!(relay.lane[i].ring = malloc(LANE_SIZE)))
            fail("no memory");
    run(&relay);
    return 0;
}
