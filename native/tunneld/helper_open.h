/* Descriptors that the helper opens, ready to use: the packet part sets no option on any of them. All are
 * non-blocking. Negative with errno set on failure. */
#ifndef CAREOF_HELPER_OPEN_H
#define CAREOF_HELPER_OPEN_H

#include <net/if.h>
#include <stdint.h>

struct helper_place {
    uint32_t ifindex;       /* 0: any device */
    uint32_t address;       /* host order; 0: any */
    uint16_t port;
    char device[IFNAMSIZ];
};

/* A TUN without packet information but with vnet_hdr and the segmentation offloads that the kernel has. `step` names
 * what failed, here as below. */
int helper_open_tun(const char *name, uint32_t *offloads, const char **step);

/* What UDP sockets can do here. */
uint32_t helper_udp_offloads(void);

/* DF always, TTL fixed; TOS, TTL and destination told with each datagram. */
int helper_open_udp(const struct helper_place *place, const char **step);
/* protocol: that of a tunnel. Of minimal encapsulation, which has no other place for what it says once, the outer
 * header is ours to write. */
int helper_open_raw(const struct helper_place *place, int protocol, const char **step);

/* A packet socket on an Ethernet device: router discovery and what is for UDP port 434, without the link-layer's
 * header. `mac` becomes the device's own. */
int helper_open_link(const char *device, uint32_t ifindex, uint8_t mac[6], const char **step);

#endif
