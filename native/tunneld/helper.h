/* The privileged helper: a process of its own, forked before the packet part gives up its rights. It is
 * asked for one thing at a time, checks every field again (the packet part may be in an attacker's
 * hands), and parses nothing from the network.
 *
 *     packet part  --request-->  helper  --ioctl, netlink, socket-->  kernel
 *                  <--answer---          (a descriptor rides along)
 *
 * What it made ends with it: when the packet part dies, however it dies, the helper reads end of file,
 * removes its rules and routes and ends; the TUN goes with the packet part's descriptor. What a life
 * that ended with both left behind carries RULE_PROTOCOL and is removed at the next start. With --fence, captured
 * sources go nowhere after a life that was killed, until the next one has its state. */
#ifndef CAREOF_HELPER_H
#define CAREOF_HELPER_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum helper_verb {
    HELPER_OPEN_TUN = 1, /* -> descriptor, offloads */
    HELPER_SET_TUN,      /* address, size (MTU); and up */
    HELPER_OPEN_UDP,     /* device, address, port -> descriptor, ifindex */
    HELPER_OPEN_RAW,     /* device, address, size (protocol: 1, 4, 47, 55) -> descriptor, ifindex */
    HELPER_DELIVER,      /* address, length: a route to the TUN in the main table */
    HELPER_CAPTURE,      /* address, length, device (or none): a rule that routes this source by RULE_TABLE */
    HELPER_SPARE,        /* address, length: RULE_TABLE sends this destination back to the main table */
    HELPER_OPEN_LINK,    /* device -> descriptor, ifindex, mac */
    HELPER_NEIGHBOUR,    /* device, address, mac: a permanent neighbour, and a host route to it */
    HELPER_PROXY,        /* device, address: ARP is answered for it there */
    HELPER_ON_LINK,      /* address, length, device: a route to the device in the main table */
    HELPER_QUIET,        /* device: ARP there is of its own addresses alone */
    HELPER_INGRESS,      /* device: what comes in there and is neither captured nor admitted goes nowhere */
    HELPER_ADMIT,        /* address, length, device (or none): this captured source is let past that */
    HELPER_SETTLED,      /* all of the state is here: what the life before fenced off is open again */
    HELPER_STOPS,        /* in order: what was captured is not fenced off */
    HELPER_VERBS,
};

struct helper_request {
    uint32_t verb;
    uint32_t address;       /* host order */
    uint32_t ifindex;       /* OPEN_*: what the socket that is held is bound to; 0: none */
    uint16_t port, size;
    uint8_t length;
    bool add;               /* or remove */
    bool again;             /* it was made before: may replace */
    char device[IFNAMSIZ];
    uint8_t mac[6];
};

struct helper_answer {
    int32_t error;          /* an errno, 0: done */
    uint32_t ifindex;       /* OPEN_*: of the device; 0: bound to none */
    uint32_t offloads;      /* OPEN_TUN: WIRE_OFFLOAD_... */
    uint8_t mac[6];         /* OPEN_LINK: the device's own */
    bool unchanged;         /* OPEN_*: the socket that is held is still the right one; none is sent */
    bool another;           /* a helper of somebody else is here: this one does nothing */
    char text[96];          /* for a log line */
};

struct helper {
    int socket; /* -1: dead */
    pid_t pid;
};

/* Forks it. False with errno when that is not possible. */
bool helper_start(struct helper *helper, const char *tun_name, bool fence);

/* Asks and waits for the answer (HELPER_ANSWER_S at most). descriptor: where one goes, or NULL; it is
 * closed on exec, and -1 if none came. False: the helper is dead, and errno says how. */
bool helper_ask(struct helper *helper, const struct helper_request *request, struct helper_answer *answer,
                int *descriptor);

/* The other side, which does not return. */
_Noreturn void helper_main(int socket, const char *tun_name, bool fence);

#endif
