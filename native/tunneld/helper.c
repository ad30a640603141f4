#include "helper.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "helper_filter.h"
#include "helper_open.h"
#include "kernel.h"
#include "limits.h"
#include "log.h"
#include "packet/gre.h"
#include "packet/ipv4.h"
#include "packet/minimal.h"
#include "quiet.h"
#include "sandbox.h"

struct helper_state {
    const char *tun_name;
    int netlink;
    uint32_t tun_ifindex;
    uint32_t tun_address;
    bool fence; /* sources that are captured when this life is killed */
    bool rules_tried, rules_lack; /* is there policy routing in this kernel? */
};

static void failed(struct helper_answer *answer, int error, const char *doing)
{
    answer->error = error;
    snprintf(answer->text, sizeof answer->text, "%s: %s", doing, strerror(error));
}

static void is_another(struct helper_answer *answer)
{
    answer->error = EBUSY;
    answer->another = true;
    snprintf(answer->text, sizeof answer->text, "another careof-tunneld is in this network namespace");
}

static bool device_name_is_sound(const char *device)
{
    size_t size = strnlen(device, IFNAMSIZ);
    if (size == IFNAMSIZ)
        return false;
    for (size_t i = 0; i < size; i++)
        if (device[i] <= ' ' || device[i] > '~' || device[i] == '/' || device[i] == ':')
            return false;
    return true;
}

static bool prefix_is_sound(uint32_t address, uint8_t length)
{
    return length <= 32 && (length == 32 || (address & (0xffffffffu >> length)) == 0);
}

static int open_tun(struct helper_state *state, struct helper_answer *answer)
{
    if (state->tun_ifindex) {
        failed(answer, EEXIST, "the TUN is open already");
        return -1;
    }
    const char *step;
    int tun = helper_open_tun(state->tun_name, &answer->offloads, &step);
    if (tun < 0) {
        int error = errno;
        char doing[80];
        snprintf(doing, sizeof doing, "%s: %s", state->tun_name, step);
        failed(answer, error, doing);
        return -1;
    }
    answer->offloads |= helper_udp_offloads();
    answer->ifindex = state->tun_ifindex = if_nametoindex(state->tun_name);
    return tun;
}

static void set_tun(struct helper_state *state, const struct helper_request *request, struct helper_answer *answer)
{
    int error = kernel_link(state->netlink, state->tun_ifindex, request->size);
    if (!error && request->address != state->tun_address) {
        if (state->tun_address)
            kernel_address(state->netlink, false, state->tun_ifindex, state->tun_address);
        state->tun_address = 0;
        if (request->address)
            error = kernel_address(state->netlink, true, state->tun_ifindex, request->address);
        if (!error)
            state->tun_address = request->address;
    }
    if (error)
        failed(answer, error, state->tun_name);
}

/* The route comes last and goes first: without the neighbour it would ask by ARP. */
static int set_neighbour(struct helper_state *state, const struct helper_request *request)
{
    struct kernel_route route = {
        .prefix = request->address,
        .length = 32,
        .add = request->add,
        .replace = true,
        .table = KERNEL_TABLE_MAIN,
        .ifindex = if_nametoindex(request->device),
    };
    if (!route.ifindex)
        return request->add ? ENODEV : 0; /* both went with the device */
    int error = request->add ? kernel_neighbour(state->netlink, true, route.ifindex, request->address, request->mac)
                             : kernel_route(state->netlink, &route);
    if (error)
        return error;
    return request->add ? kernel_route(state->netlink, &route)
                        : kernel_neighbour(state->netlink, false, route.ifindex, request->address, request->mac);
}

/* Can the kernel route by rules? Found out once, by one that does nothing. */
static bool has_rules(struct helper_state *state)
{
    const struct kernel_rule nothing = {.kind = KERNEL_RULE_GOES_ON, .device = ""};
    if (!state->rules_tried) {
        state->rules_lack = kernel_rule(state->netlink, true, &nothing) == EOPNOTSUPP;
        kernel_rule(state->netlink, false, &nothing);
        state->rules_tried = true;
    }
    return !state->rules_lack;
}

static int set_rule(struct helper_state *state, const struct helper_request *request, enum kernel_rule_kind kind)
{
    const struct kernel_rule rule = {
        .kind = kind, .source = request->address, .length = request->length, .device = request->device};
    return kernel_rule(state->netlink, request->add, &rule);
}

/* Where what is admitted goes on comes first and goes last: a rule that leads nowhere is passed over. */
static int set_ingress(struct helper_state *state, const struct helper_request *request)
{
    enum kernel_rule_kind first = request->add ? KERNEL_RULE_GOES_ON : KERNEL_RULE_DROPS;
    enum kernel_rule_kind last = request->add ? KERNEL_RULE_DROPS : KERNEL_RULE_GOES_ON;
    struct helper_request whole = *request;
    whole.address = 0;
    whole.length = 0;
    if (!request->device[0])
        return EINVAL;
    int error = set_rule(state, &whole, first);
    return error ? error : set_rule(state, &whole, last);
}

static const char *const verb_names[HELPER_VERBS] = {
    [HELPER_DELIVER] = "deliver",
    [HELPER_CAPTURE] = "capture",
    [HELPER_SPARE] = "spare",
    [HELPER_NEIGHBOUR] = "neighbour",
    [HELPER_PROXY] = "proxy",
    [HELPER_ON_LINK] = "on link",
    [HELPER_QUIET] = "quiet",
    [HELPER_INGRESS] = "ingress",
    [HELPER_ADMIT] = "admit",
};

/* What goes by rules, without any in the kernel: to that, each table is the main one, and nothing may be put there
 * that is meant for RULE_TABLE. */
static bool lacks_rules(struct helper_state *state, const struct helper_request *request, struct helper_answer *answer)
{
    bool by_rules = request->verb == HELPER_CAPTURE || request->verb == HELPER_SPARE ||
                    request->verb == HELPER_INGRESS || request->verb == HELPER_ADMIT;
    if (!by_rules || has_rules(state))
        return false;
    answer->error = EOPNOTSUPP;
    snprintf(answer->text, sizeof answer->text, "%s: this kernel has no policy routing (IP_MULTIPLE_TABLES)",
             verb_names[request->verb]);
    return true;
}

static void set_kernel_row(struct helper_state *state, const struct helper_request *request,
                           struct helper_answer *answer)
{
    struct kernel_route route = {
        .prefix = request->address,
        .length = request->length,
        .add = request->add,
        .replace = request->again,
        .table = request->verb == HELPER_SPARE ? RULE_TABLE : KERNEL_TABLE_MAIN,
        .ifindex = request->verb == HELPER_SPARE ? 0 : state->tun_ifindex,
    };
    int error = 0;
    if (request->verb == HELPER_CAPTURE) {
        const struct kernel_route all = {
            .add = true, .replace = true, .table = RULE_TABLE, .ifindex = state->tun_ifindex};
        if (request->add)
            error = kernel_route(state->netlink, &all);
        if (!error)
            error = set_rule(state, request, KERNEL_RULE_CAPTURES);
    } else if (request->verb == HELPER_INGRESS) {
        error = set_ingress(state, request);
    } else if (request->verb == HELPER_ADMIT) {
        error = set_rule(state, request, KERNEL_RULE_ADMITS);
    } else if (request->verb == HELPER_NEIGHBOUR) {
        error = set_neighbour(state, request);
    } else if (request->verb == HELPER_PROXY) {
        error = kernel_proxy(state->netlink, request->add, if_nametoindex(request->device), request->address);
    } else if (request->verb == HELPER_QUIET) {
        error = quiet_set(request->device, request->add);
    } else if (request->verb == HELPER_ON_LINK) {
        route.ifindex = if_nametoindex(request->device);
        route.source = request->add ? state->tun_address : 0;
        error = route.ifindex ? kernel_route(state->netlink, &route) : ENODEV;
        if (!request->add && (error == ESRCH || error == ENODEV))
            error = 0; /* it went with the device */
    } else {
        error = kernel_route(state->netlink, &route);
    }
    if (!error)
        return;
    char doing[64];
    snprintf(doing, sizeof doing, "%s %u.%u.%u.%u/%u", verb_names[request->verb], request->address >> 24,
             request->address >> 16 & 255, request->address >> 8 & 255, request->address & 255, request->length);
    failed(answer, error, doing);
}

static int open_link(const struct helper_request *request, struct helper_answer *answer)
{
    answer->ifindex = if_nametoindex(request->device);
    if (!answer->ifindex) {
        failed(answer, ENODEV, request->device);
        return -1;
    }
    if (request->again && request->ifindex == answer->ifindex) {
        answer->unchanged = true;
        return -1;
    }
    const char *step = "";
    int fd = helper_open_link(request->device, answer->ifindex, answer->mac, &step);
    if (fd < 0) {
        int error = errno;
        char doing[80];
        snprintf(doing, sizeof doing, "%s: %s", request->device, step);
        failed(answer, error, doing);
    }
    return fd;
}

static int open_socket(const struct helper_request *request, struct helper_answer *answer)
{
    struct helper_place place = {.address = request->address, .port = request->port};
    memcpy(place.device, request->device, sizeof place.device);
    bool raw = request->verb == HELPER_OPEN_RAW;
    if (raw && request->size != PROTOCOL_IPIP && request->size != PROTOCOL_GRE && request->size != PROTOCOL_MINIMAL &&
        request->size != PROTOCOL_ICMP) {
        failed(answer, EINVAL, "no protocol of tunnels, nor ICMP");
        return -1;
    }
    if (place.device[0]) {
        place.ifindex = if_nametoindex(place.device);
        if (!place.ifindex) {
            failed(answer, ENODEV, place.device);
            return -1;
        }
    }
    answer->ifindex = place.ifindex;
    if (request->again && request->ifindex == place.ifindex) {
        answer->unchanged = true;
        return -1;
    }
    const char *step = "";
    int fd = raw ? helper_open_raw(&place, request->size, &step) : helper_open_udp(&place, &step);
    if (fd < 0) {
        int error = errno;
        char doing[80];
        snprintf(doing, sizeof doing, "%s: %s %u.%u.%u.%u:%u", place.device[0] ? place.device : "any device", step,
                 place.address >> 24, place.address >> 16 & 255, place.address >> 8 & 255, place.address & 255,
                 place.port);
        failed(answer, error, doing);
    }
    return fd;
}

/* The descriptor to send, or -1. */
static int obey(struct helper_state *state, const struct helper_request *request, struct helper_answer *answer)
{
    if (!device_name_is_sound(request->device) || !prefix_is_sound(request->address, request->length)) {
        failed(answer, EINVAL, "unsound request");
        return -1;
    }
    bool wants_tun = request->verb == HELPER_SET_TUN || request->verb == HELPER_DELIVER ||
                     request->verb == HELPER_CAPTURE;
    if (wants_tun && !state->tun_ifindex) {
        failed(answer, ENODEV, "the TUN is not open");
        return -1;
    }
    switch (request->verb) {
    case HELPER_OPEN_TUN:
        return open_tun(state, answer);
    case HELPER_SET_TUN:
        set_tun(state, request, answer);
        return -1;
    case HELPER_OPEN_UDP:
    case HELPER_OPEN_RAW:
        return open_socket(request, answer);
    case HELPER_OPEN_LINK:
        return open_link(request, answer);
    case HELPER_DELIVER:
    case HELPER_CAPTURE:
    case HELPER_SPARE:
    case HELPER_NEIGHBOUR:
    case HELPER_PROXY:
    case HELPER_ON_LINK:
    case HELPER_QUIET:
    case HELPER_INGRESS:
    case HELPER_ADMIT:
        if (!lacks_rules(state, request, answer))
            set_kernel_row(state, request, answer);
        return -1;
    case HELPER_SETTLED:
        kernel_unfence(state->netlink);
        return -1;
    case HELPER_STOPS:
        state->fence = false;
        return -1;
    default:
        failed(answer, EINVAL, "unknown verb");
        return -1;
    }
}

static bool reply(int socket, const struct helper_answer *answer, int descriptor)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = (void *)answer, .iov_len = sizeof *answer};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    if (descriptor >= 0) {
        memset(&control, 0, sizeof control);
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
    }
    ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    if (descriptor >= 0)
        close(descriptor);
    return sent == (ssize_t)sizeof *answer;
}

/* One helper in a network namespace (abstract names belong to it), whatever the name of its TUN: the rules and the
 * table of all would be the same ones. The helper of a life that was just killed may still be removing what it made:
 * wait for it, or it would take ours. */
static bool wait_for_the_last_one(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int size = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "careof-tunneld");
    int lock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct timespec pause = {.tv_nsec = 5000000};
    for (int tries = 0; lock >= 0 && tries < HELPER_ANSWER_S * 100; tries++) {
        if (bind(lock, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size)) == 0)
            return true; /* held until the end */
        if (errno != EADDRINUSE)
            return false;
        nanosleep(&pause, NULL);
    }
    return false;
}

/* Rights it needs to the end; binding to a device and raw sockets want NET_RAW, ports below 1024 NET_BIND. */
static bool confine(const char **what)
{
    if (!sandbox_keep_capabilities(1u << CAP_NET_ADMIN | 1u << CAP_NET_RAW | 1u << CAP_NET_BIND_SERVICE, what) ||
        !sandbox_harden(what))
        return false;
    if (helper_filter(what))
        return true;
    if (errno != EINVAL && errno != ENOSYS)
        return false;
    log_line(LOG_WARNING, "helper: this kernel cannot %s: going on without", *what);
    return true;
}

_Noreturn void helper_main(int socket, const char *tun_name, bool fence)
{
    struct helper_state state = {.tun_name = tun_name, .fence = fence, .netlink = kernel_open()};
    const char *what = "open a netlink socket";
    /* Ends only at the end of file: what ends the packet part by its process group must not end the one
     * that cleans up after it. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (state.netlink < 0 || !confine(&what)) {
        log_line(LOG_ERROR, "helper: cannot %s: %s", what, strerror(errno));
        _exit(1);
    }
    bool alone = wait_for_the_last_one();
    if (alone)
        kernel_sweep(state.netlink);
    for (;;) {
        struct helper_request request;
        struct helper_answer answer;
        memset(&answer, 0, sizeof answer);
        ssize_t size = recv(socket, &request, sizeof request, 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size != (ssize_t)sizeof request)
            break;
        int descriptor = -1;
        if (alone)
            descriptor = obey(&state, &request, &answer);
        else
            is_another(&answer);
        if (!reply(socket, &answer, descriptor))
            break;
    }
    if (alone) {
        if (state.fence)
            kernel_fence(state.netlink);
        kernel_sweep(state.netlink);
        quiet_sweep();
    }
    _exit(0);
}
