/* The kernel's links, addresses, routes and rules, by rtnetlink written by hand (RFC 3549; linux/rtnetlink.h).
 * Each call sends one request and reads its acknowledgement. They return 0 or an errno. */
#ifndef CAREOF_KERNEL_H
#define CAREOF_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

enum { KERNEL_TABLE_MAIN = 254 };

struct kernel_route {
    uint32_t prefix; /* host order */
    uint32_t table;
    uint32_t ifindex; /* 0: throw, the look-up goes on in the next table */
    uint32_t source;  /* what is sent by it has this address if it has none yet; 0: as the kernel chooses */
    uint8_t length;
    bool add, replace;
};

/* Rules in the order in which they are asked:
 *
 *     captures   a source is routed by RULE_TABLE; what that throws goes on here
 *     admits     a captured source goes on behind the next one
 *     drops      whatever else came in by a device goes nowhere
 *     goes on    where what was admitted goes on
 *     (a fence)  a source that was captured by a life that was killed goes nowhere */
enum kernel_rule_kind { KERNEL_RULE_CAPTURES, KERNEL_RULE_ADMITS, KERNEL_RULE_DROPS, KERNEL_RULE_GOES_ON };

struct kernel_rule {
    enum kernel_rule_kind kind;
    uint32_t source; /* host order */
    uint8_t length;
    const char *device; /* "": any */
};

int kernel_open(void);
int kernel_link(int netlink, uint32_t ifindex, uint16_t mtu); /* and up */
int kernel_address(int netlink, bool add, uint32_t ifindex, uint32_t address);
int kernel_route(int netlink, const struct kernel_route *route);
int kernel_rule(int netlink, bool add, const struct kernel_rule *rule);

/* A permanent neighbour; a proxy: ARP is answered for an address that is routed elsewhere. To remove one that is
 * not there is no error. */
int kernel_neighbour(int netlink, bool add, uint32_t ifindex, uint32_t address, const uint8_t mac[6]);
int kernel_proxy(int netlink, bool add, uint32_t ifindex, uint32_t address);

/* Fences: each source that is captured now goes nowhere when it is not any more; and their end. */
void kernel_fence(int netlink);
void kernel_unfence(int netlink);

/* Removes every route, rule and neighbour that carries RULE_PROTOCOL. */
void kernel_sweep(int netlink);

#endif
