#include "helper_open.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "limits.h"
#include "messages.h"
#include "packet/minimal.h"

/* Names that are younger than the headers of systems whose kernels know them. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

int helper_open_tun(const char *name, uint32_t *offloads, const char **step)
{
    static const struct {
        unsigned flags;
        uint32_t offloads;
    } wishes[] = {
        /* USO is given only as a pair (Linux 6.2). */
        {TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN | TUN_F_USO4 | TUN_F_USO6,
         WIRE_OFFLOAD_TUN_TSO | WIRE_OFFLOAD_TUN_USO},
        {TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN, WIRE_OFFLOAD_TUN_TSO},
        {TUN_F_CSUM, 0},
        {0, 0},
    };
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL);
    *step = "open /dev/net/tun";
    int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tun < 0)
        return -1;
    *step = "make it a TUN with offload headers";
    if (ioctl(tun, TUNSETIFF, &request) == 0) {
        *step = "set its offloads";
        for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
            if (ioctl(tun, TUNSETOFFLOAD, (unsigned long)wishes[i].flags) == 0) {
                *offloads = wishes[i].offloads;
                return tun;
            }
        }
    }
    int error = errno;
    close(tun);
    errno = error;
    return -1;
}

static bool set(int socket, int level, int option, int value)
{
    return setsockopt(socket, level, option, &value, sizeof value) == 0;
}

uint32_t helper_udp_offloads(void)
{
    uint32_t offloads = 0;
    int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return 0;
    if (set(probe, IPPROTO_UDP, UDP_SEGMENT, 1400))
        offloads |= WIRE_OFFLOAD_UDP_SEGMENT;
    if (set(probe, IPPROTO_UDP, UDP_GRO, 1))
        offloads |= WIRE_OFFLOAD_UDP_GRO;
    close(probe);
    return offloads;
}

/* Binding and the options that UDP and raw sockets share. */
static bool prepare(int fd, const struct helper_place *place, const char **step)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(place->port), .sin_addr.s_addr = htonl(place->address)};
    *step = "bind to the device, for";
    if (place->ifindex &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, place->device, (socklen_t)(strlen(place->device) + 1)))
        return false;
    *step = "set the options of";
    /* PROBE: DF on every packet, and what ICMP says of the path's size is not believed (DESIGN 7). */
    if (!set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE) || !set(fd, IPPROTO_IP, IP_TTL, TUNNEL_TTL) ||
        !set(fd, IPPROTO_IP, IP_PKTINFO, 1) || !set(fd, IPPROTO_IP, IP_RECVTOS, 1) ||
        !set(fd, IPPROTO_IP, IP_RECVTTL, 1))
        return false;
    if (!set(fd, SOL_SOCKET, SO_RCVBUFFORCE, UPLINK_BUFFER_SIZE))
        set(fd, SOL_SOCKET, SO_RCVBUF, UPLINK_BUFFER_SIZE);
    if (!set(fd, SOL_SOCKET, SO_SNDBUFFORCE, UPLINK_BUFFER_SIZE))
        set(fd, SOL_SOCKET, SO_SNDBUF, UPLINK_BUFFER_SIZE);
    *step = "bind";
    return bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
}

static int prepared(int fd, const struct helper_place *place, const char **step)
{
    if (fd < 0) {
        *step = "open a socket for";
        return -1;
    }
    if (prepare(fd, place, step))
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int helper_open_udp(const struct helper_place *place, const char **step)
{
    int fd = prepared(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), place, step);
    if (fd >= 0)
        set(fd, IPPROTO_UDP, UDP_GRO, 1); /* where the kernel has it */
    return fd;
}

/* At the network header, since the socket leaves the link-layer's out: unfragmented IPv4, and in it ICMP 9 or 10
 * (router advertisement and solicitation), an echo reply to a probe of ours, or UDP to port 434; and whatever was
 * sent to all or to several, which nodes that are away may listen to. */
static bool attach_link_filter(int fd)
{
    static struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x3fff, 14, 0), /* more fragments, or an offset */
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),              /* X: the size of the header */
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMP, 0, 7),
        BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 9, 8, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 10, 7, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 7),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xca0f, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xca0e, 3, 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 3),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MIP_PORT, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_BROADCAST, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_MULTICAST, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

/* The groups that advertisements, solicitations and requests come to: all systems, all routers, mobile agents. */
static bool join_groups(int fd, uint32_t ifindex)
{
    static const uint8_t last[] = {1, 2, 11}; /* 224.0.0.x */
    for (size_t i = 0; i < sizeof last; i++) {
        struct packet_mreq group = {.mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_MULTICAST, .mr_alen = 6};
        const uint8_t mac[6] = {0x01, 0x00, 0x5e, 0, 0, last[i]};
        memcpy(group.mr_address, mac, sizeof mac);
        if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &group, sizeof group))
            return false;
    }
    return true;
}

static bool read_mac(int fd, const char *device, uint8_t mac[6])
{
    struct ifreq request;
    memset(&request, 0, sizeof request);
    memcpy(request.ifr_name, device, strnlen(device, IFNAMSIZ - 1));
    if (ioctl(fd, SIOCGIFHWADDR, &request))
        return false;
    if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
        errno = EAFNOSUPPORT;
        return false;
    }
    memcpy(mac, request.ifr_hwaddr.sa_data, 6);
    return true;
}

int helper_open_link(const char *device, uint32_t ifindex, uint8_t mac[6], const char **step)
{
    /* Protocol 0 until it is bound: nothing comes before the filter is there. */
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = (int)ifindex};
    *step = "open a packet socket";
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    *step = "set up its packet socket";
    set(fd, SOL_PACKET, PACKET_AUXDATA, 1); /* says of a frame whether its checksum was left to a device */
    if (attach_link_filter(fd) && join_groups(fd, ifindex) && read_mac(fd, device, mac) &&
        bind(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Of ICMP only errors that say what is unreachable: echoes and the rest are the kernel's. */
static void hear_errors_only(int fd)
{
    const struct icmp_filter filter = {
        .data = ~(1u << ICMP_DEST_UNREACH | 1u << ICMP_TIME_EXCEEDED | 1u << ICMP_PARAMETERPROB)};
    setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof filter);
}

int helper_open_raw(const struct helper_place *place, int protocol, const char **step)
{
    int fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd >= 0 && protocol == IPPROTO_ICMP)
        hear_errors_only(fd);
    fd = prepared(fd, place, step);
    if (fd < 0 || protocol != PROTOCOL_MINIMAL || set(fd, IPPROTO_IP, IP_HDRINCL, 1))
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}
