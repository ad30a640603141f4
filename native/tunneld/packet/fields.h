/* Where the fields lie: RFC 791 section 3.1, RFC 9293 section 3.1, RFC 768, RFC 792. */
#ifndef CAREOF_PACKET_FIELDS_H
#define CAREOF_PACKET_FIELDS_H

enum {
    IPV4_TOS_AT = 1,
    IPV4_TOTAL_LENGTH_AT = 2,
    IPV4_IDENTIFICATION_AT = 4,
    IPV4_FRAGMENT_AT = 6,
    IPV4_TTL_AT = 8,
    IPV4_PROTOCOL_AT = 9,
    IPV4_CHECKSUM_AT = 10,
    IPV4_SOURCE_AT = 12,
    IPV4_DESTINATION_AT = 16,

    IPV4_DONT_FRAGMENT = 0x4000,
    IPV4_MORE_FRAGMENTS = 0x2000,
    IPV4_OFFSET_MASK = 0x1fff, /* in units of eight octets */

    OPTION_END = 0,     /* IPv4 and TCP alike */
    OPTION_NOTHING = 1,
    IPV4_OPTION_COPIED = 0x80,
    TCP_OPTION_MSS = 2,
    TCP_OPTION_MSS_SIZE = 4,

    TCP_SEQUENCE_AT = 4,
    TCP_ACKNOWLEDGEMENT_AT = 8,
    TCP_DATA_OFFSET_AT = 12,
    TCP_FLAGS_AT = 13,
    TCP_WINDOW_AT = 14,
    TCP_CHECKSUM_AT = 16,
    TCP_URGENT_POINTER_AT = 18, /* the options follow it */
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_URG = 0x20,
    TCP_CWR = 0x80,

    UDP_LENGTH_AT = 4,
    UDP_CHECKSUM_AT = 6,

    ICMP_TYPE_AT = 0,
    ICMP_CODE_AT = 1,
    ICMP_CHECKSUM_AT = 2,
    ICMP_IDENTIFIER_AT = 4,
    ICMP_SEQUENCE_AT = 6,
    ICMP_NEXT_HOP_SIZE_AT = 6, /* RFC 1191 section 4 */
};

#endif
