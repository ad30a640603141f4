#include "kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "limits.h"

enum { REQUEST_SIZE = 256, DUMP_SIZE = 16384, SWEEP_PASSES = 8 };

struct request {
    struct nlmsghdr header;
    uint8_t body[REQUEST_SIZE];
};

int kernel_open(void)
{
    struct timeval patience = {.tv_sec = 2};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static void begin(struct request *request, uint16_t type, uint16_t flags, const void *fixed, size_t size)
{
    memset(request, 0, sizeof *request);
    request->header.nlmsg_type = type;
    request->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    request->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
    memcpy(request->body, fixed, size);
}

/* All requests here are far smaller than REQUEST_SIZE: their attributes are known. */
static struct rtattr *attribute(struct request *request, unsigned short type, const void *value, size_t size)
{
    struct rtattr *at = (struct rtattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));
    at->rta_type = type;
    at->rta_len = (unsigned short)RTA_LENGTH(size);
    if (size)
        memcpy(RTA_DATA(at), value, size);
    request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(at->rta_len);
    return at;
}

static void attribute_u32(struct request *request, unsigned short type, uint32_t value)
{
    attribute(request, type, &value, sizeof value);
}

/* Sends, and reads up to the acknowledgement that carries its number. */
static int done(int netlink, struct request *request)
{
    static uint32_t number;
    request->header.nlmsg_seq = ++number;
    if (send(netlink, request, request->header.nlmsg_len, 0) < 0)
        return errno;
    for (;;) {
        char answer[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
        ssize_t size = recv(netlink, answer, sizeof answer, 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return errno;
        const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
        if (!NLMSG_OK(header, (size_t)size) || header->nlmsg_seq != number || header->nlmsg_type != NLMSG_ERROR)
            continue;
        const struct nlmsgerr *error = NLMSG_DATA(header);
        return -error->error;
    }
}

int kernel_link(int netlink, uint32_t ifindex, uint16_t mtu)
{
    struct ifinfomsg link = {.ifi_index = (int)ifindex, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    struct request request;
    /* IPv4 only: no link-local address, so that the kernel does not speak IPv6 into the TUN. First and
     * alone, since a kernel without IPv6 refuses it. */
    struct ifinfomsg quiet = {.ifi_index = (int)ifindex};
    begin(&request, RTM_NEWLINK, 0, &quiet, sizeof quiet);
    struct rtattr *families = attribute(&request, IFLA_AF_SPEC | NLA_F_NESTED, NULL, 0);
    struct rtattr *inet6 = attribute(&request, AF_INET6 | NLA_F_NESTED, NULL, 0);
    uint8_t none = IN6_ADDR_GEN_MODE_NONE;
    attribute(&request, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof none);
    char *end = (char *)&request + request.header.nlmsg_len;
    inet6->rta_len = (unsigned short)(end - (char *)inet6);
    families->rta_len = (unsigned short)(end - (char *)families);
    (void)done(netlink, &request);

    begin(&request, RTM_NEWLINK, 0, &link, sizeof link);
    attribute_u32(&request, IFLA_MTU, mtu);
    return done(netlink, &request);
}

int kernel_address(int netlink, bool add, uint32_t ifindex, uint32_t address)
{
    struct ifaddrmsg fixed = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = ifindex};
    struct request request;
    begin(&request, add ? RTM_NEWADDR : RTM_DELADDR, add ? NLM_F_CREATE | NLM_F_REPLACE : 0, &fixed, sizeof fixed);
    attribute_u32(&request, IFA_LOCAL, htonl(address));
    attribute_u32(&request, IFA_ADDRESS, htonl(address));
    return done(netlink, &request);
}

int kernel_route(int netlink, const struct kernel_route *route)
{
    struct rtmsg fixed = {
        .rtm_family = AF_INET,
        .rtm_dst_len = route->length,
        .rtm_table = route->table < 256 ? (unsigned char)route->table : RT_TABLE_UNSPEC,
        .rtm_protocol = RULE_PROTOCOL,
        .rtm_scope = route->ifindex ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
        .rtm_type = route->ifindex ? RTN_UNICAST : RTN_THROW,
    };
    uint16_t flags = (uint16_t)(NLM_F_CREATE | (route->replace ? NLM_F_REPLACE : NLM_F_EXCL));
    struct request request;
    begin(&request, route->add ? RTM_NEWROUTE : RTM_DELROUTE, route->add ? flags : 0, &fixed, sizeof fixed);
    attribute_u32(&request, RTA_TABLE, route->table);
    if (route->length)
        attribute_u32(&request, RTA_DST, htonl(route->prefix));
    if (route->ifindex)
        attribute_u32(&request, RTA_OIF, route->ifindex);
    if (route->source)
        attribute_u32(&request, RTA_PREFSRC, htonl(route->source));
    return done(netlink, &request);
}

int kernel_rule(int netlink, bool add, const struct kernel_rule *rule)
{
    static const uint8_t actions[] = {
        [KERNEL_RULE_CAPTURES] = FR_ACT_TO_TBL,
        [KERNEL_RULE_ADMITS] = FR_ACT_GOTO,
        [KERNEL_RULE_DROPS] = FR_ACT_BLACKHOLE,
        [KERNEL_RULE_GOES_ON] = FR_ACT_NOP,
    };
    struct fib_rule_hdr fixed = {
        .family = AF_INET, .src_len = rule->length, .table = RT_TABLE_UNSPEC, .action = actions[rule->kind]};
    uint8_t protocol = RULE_PROTOCOL;
    struct request request;
    begin(&request, add ? RTM_NEWRULE : RTM_DELRULE, add ? NLM_F_CREATE | NLM_F_EXCL : 0, &fixed, sizeof fixed);
    if (rule->length)
        attribute_u32(&request, FRA_SRC, htonl(rule->source));
    if (rule->device[0])
        attribute(&request, FRA_IIFNAME, rule->device, strlen(rule->device) + 1);
    if (rule->kind == KERNEL_RULE_CAPTURES)
        attribute_u32(&request, FRA_TABLE, RULE_TABLE);
    if (rule->kind == KERNEL_RULE_ADMITS)
        attribute_u32(&request, FRA_GOTO, RULE_PRIORITY + KERNEL_RULE_GOES_ON);
    attribute_u32(&request, FRA_PRIORITY, RULE_PRIORITY + (uint32_t)rule->kind);
    attribute(&request, FRA_PROTOCOL, &protocol, sizeof protocol);
    int error = done(netlink, &request);
    return add && error == EEXIST ? 0 : error;
}

static int neighbour(int netlink, bool add, const struct ndmsg *fixed, uint32_t address, const uint8_t *mac)
{
    uint32_t in_order = htonl(address);
    uint8_t protocol = RULE_PROTOCOL;
    struct request request;
    begin(&request, add ? RTM_NEWNEIGH : RTM_DELNEIGH, add ? NLM_F_CREATE | NLM_F_REPLACE : 0, fixed, sizeof *fixed);
    attribute(&request, NDA_DST, &in_order, sizeof in_order);
    if (add && mac)
        attribute(&request, NDA_LLADDR, mac, 6);
    if (add)
        attribute(&request, NDA_PROTOCOL, &protocol, sizeof protocol); /* Linux 5.2; older ones ignore it */
    int error = done(netlink, &request);
    return !add && (error == ENOENT || error == ENODEV || error == ENXIO) ? 0 : error;
}

int kernel_neighbour(int netlink, bool add, uint32_t ifindex, uint32_t address, const uint8_t mac[6])
{
    struct ndmsg fixed = {.ndm_family = AF_INET, .ndm_ifindex = (int)ifindex, .ndm_state = NUD_PERMANENT};
    return neighbour(netlink, add, &fixed, address, mac);
}

int kernel_proxy(int netlink, bool add, uint32_t ifindex, uint32_t address)
{
    struct ndmsg fixed = {.ndm_family = AF_INET, .ndm_ifindex = (int)ifindex, .ndm_flags = NTF_PROXY};
    if (!ifindex)
        return add ? ENODEV : 0;
    return neighbour(netlink, add, &fixed, address, NULL);
}

/* An attribute after the fixed part of a message, if it has that size; or NULL. */
static void *find_attribute(const struct nlmsghdr *header, size_t fixed_size, unsigned short type, size_t size)
{
    const char *body = NLMSG_DATA(header);
    int left = (int)header->nlmsg_len - (int)NLMSG_LENGTH(fixed_size);
    const struct rtattr *at = (const struct rtattr *)(body + NLMSG_ALIGN(fixed_size));
    for (; RTA_OK(at, left); at = RTA_NEXT(at, left))
        if (at->rta_type == type && RTA_PAYLOAD(at) == size)
            return RTA_DATA(at);
    return NULL;
}

/* What of a dumped row is ours: the attribute that says so, after the fixed part of its kind. */
static bool is_of_protocol(const struct nlmsghdr *header, size_t fixed_size, unsigned short type, uint8_t protocol)
{
    const uint8_t *found = find_attribute(header, fixed_size, type, 1);
    return found && *found == protocol;
}

/* What of a dumped route or rule is ours is deleted by sending it back as it came. */
static bool is_ours(const struct nlmsghdr *header)
{
    const struct rtmsg *fixed = NLMSG_DATA(header); /* struct fib_rule_hdr is laid out alike */
    if (header->nlmsg_type == RTM_NEWROUTE)
        return fixed->rtm_protocol == RULE_PROTOCOL;
    if (header->nlmsg_type == RTM_NEWNEIGH)
        return is_of_protocol(header, sizeof(struct ndmsg), NDA_PROTOCOL, RULE_PROTOCOL);
    return is_of_protocol(header, sizeof *fixed, FRA_PROTOCOL, RULE_PROTOCOL);
}

/* Makes the request of a dumped row; false: it is none of those that are meant. */
typedef bool make_request(const struct nlmsghdr *dumped, struct request *request);

static bool delete_ours(const struct nlmsghdr *dumped, struct request *request)
{
    if (!is_ours(dumped))
        return false;
    request->header.nlmsg_type++; /* RTM_DEL... follows RTM_NEW... */
    return true;
}

static bool delete_fence(const struct nlmsghdr *dumped, struct request *request)
{
    request->header.nlmsg_type = RTM_DELRULE;
    return is_of_protocol(dumped, sizeof(struct fib_rule_hdr), FRA_PROTOCOL, FENCE_PROTOCOL);
}

/* The rule of a captured source, but that it leads nowhere and is the last of ours. */
static bool make_fence(const struct nlmsghdr *dumped, struct request *request)
{
    struct fib_rule_hdr *fixed = NLMSG_DATA(&request->header);
    uint32_t *priority = find_attribute(&request->header, sizeof *fixed, FRA_PRIORITY, sizeof *priority);
    uint8_t *protocol = find_attribute(&request->header, sizeof *fixed, FRA_PROTOCOL, sizeof *protocol);
    uint32_t *table = find_attribute(&request->header, sizeof *fixed, FRA_TABLE, sizeof *table);
    if (!is_ours(dumped) || fixed->action != FR_ACT_TO_TBL || !priority || !protocol || !table)
        return false;
    fixed->action = FR_ACT_BLACKHOLE;
    fixed->table = RT_TABLE_UNSPEC;
    *table = RT_TABLE_UNSPEC;
    *priority = FENCE_PRIORITY;
    *protocol = FENCE_PROTOCOL;
    request->header.nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
    return true;
}

/* One dump on a socket of its own; true if any request was carried out (dumps may skip what moved meanwhile). */
static bool for_each(int netlink, uint16_t get, uint16_t new, uint8_t flags, make_request *make)
{
    static char buffer[DUMP_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
    union {
        struct rtmsg route;
        struct ndmsg neighbour;
    } all = {.route = {.rtm_family = AF_INET}};
    if (get == RTM_GETNEIGH)
        all.neighbour = (struct ndmsg){.ndm_family = AF_INET, .ndm_flags = flags};
    struct request request;
    bool any = false;
    int dump = kernel_open();
    if (dump < 0)
        return false;
    begin(&request, get, NLM_F_DUMP, &all, sizeof all);
    ssize_t size = send(dump, &request, request.header.nlmsg_len, 0);
    while (size > 0 && (size = recv(dump, buffer, sizeof buffer, 0)) > 0) {
        int left = (int)size;
        for (struct nlmsghdr *at = (struct nlmsghdr *)buffer; NLMSG_OK(at, (unsigned)left); at = NLMSG_NEXT(at, left)) {
            if (at->nlmsg_type == NLMSG_DONE || at->nlmsg_type == NLMSG_ERROR)
                size = 0;
            if (at->nlmsg_type != new || at->nlmsg_len > sizeof request)
                continue;
            memcpy(&request, at, at->nlmsg_len);
            request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
            request.header.nlmsg_pid = 0;
            if (make(at, &request))
                any |= done(netlink, &request) == 0;
        }
    }
    close(dump);
    return any;
}

void kernel_sweep(int netlink)
{
    for (int pass = 0; pass < SWEEP_PASSES; pass++) {
        bool rules = for_each(netlink, RTM_GETRULE, RTM_NEWRULE, 0, delete_ours);
        bool routes = for_each(netlink, RTM_GETROUTE, RTM_NEWROUTE, 0, delete_ours);
        bool neighbours = for_each(netlink, RTM_GETNEIGH, RTM_NEWNEIGH, 0, delete_ours);
        bool proxies = for_each(netlink, RTM_GETNEIGH, RTM_NEWNEIGH, NTF_PROXY, delete_ours);
        if (!rules && !routes && !neighbours && !proxies)
            return;
    }
}

void kernel_fence(int netlink)
{
    for_each(netlink, RTM_GETRULE, RTM_NEWRULE, 0, make_fence);
}

void kernel_unfence(int netlink)
{
    for (int pass = 0; pass < SWEEP_PASSES && for_each(netlink, RTM_GETRULE, RTM_NEWRULE, 0, delete_fence); pass++)
        ;
}
