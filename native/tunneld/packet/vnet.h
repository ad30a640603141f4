/* What precedes each packet read from or written to a TUN with IFF_VNET_HDR: struct virtio_net_hdr of
 * the legacy layout, in host byte order (TUNSETVNETLE is not used). Declared here since the names of
 * USO are missing from the headers of older systems, which their kernels can outlive. */
#ifndef CAREOF_PACKET_VNET_H
#define CAREOF_PACKET_VNET_H

#include <stdint.h>

enum { VNET_HEADER_SIZE = 10 }; /* TUNSETVNETHDRSZ's default */

enum { VNET_NEEDS_CHECKSUM = 1 }; /* flags */

enum vnet_gso {
    VNET_GSO_NONE = 0,
    VNET_GSO_TCPV4 = 1,
    VNET_GSO_UDP_L4 = 5, /* USO, Linux 6.2: TUN_F_USO4 0x20 with TUN_F_USO6 0x40 */
    VNET_GSO_ECN = 0x80, /* a bit: the first segment has CWR */
};

struct vnet_header {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t header_size;     /* hdr_len: a hint, never trusted */
    uint16_t segment_payload; /* gso_size */
    uint16_t checksum_start;
    uint16_t checksum_offset;
};

_Static_assert(sizeof(struct vnet_header) == VNET_HEADER_SIZE, "laid out as the kernel does");

#endif
