/* Every bound and interval of careof-keyd, with its unit and where it comes from. */
#ifndef CAREOF_KEYD_LIMITS_H
#define CAREOF_KEYD_LIMITS_H

enum {
    /* Keys. An agent of the data-centre size serves 100,000 nodes (DESIGN section 2), some with two keys. */
    KEYS_MAX = 262144,             /* of the file, and of those added, each */
    SECRET_SIZE_MIN = 16,          /* octets; RFC 5944 5.1: 128 bits */
    SECRET_SIZE_MAX = 64,
    KEY_CHUNK_SIZE = 65536,        /* octets locked in memory at a time */
    KEYS_LOCKED_MAX = 128 * 1024 * 1024, /* octets: two files while one replaces the other, and those added */
    KEYS_LINE_SIZE_MAX = 1024,     /* octets of a line; a comment needs no more either */
    KEYS_FILE_SIZE_MAX = 128 * 1024 * 1024,

    /* The state. */
    VALUES_MAX = 262144,
    VALUE_SIZE_MAX = 262144,             /* octets of one (VALUE_SIZE_MAX of wire/keyd.py) */
    VALUES_SIZE_MAX = 64 * 1024 * 1024,  /* octets of all in the file, names and checksums included */
    STATE_FILE_SIZE_MAX = 256 * 1024 * 1024, /* more is not ours: it is rewritten long before */
    STATE_SLACK_SIZE = 128 * 1024,       /* a file is rewritten when it has so much and its values once more too many */
    PENDING_SIZE_MAX = 4 * 1024 * 1024,  /* octets not yet written; beyond, all of it is rewritten instead */
    RETRY_US = 2000000,                  /* after the disk refused */
    STOP_US = 3000000,                   /* asked to stop, it writes on for so long; procd kills after 5 s */

    /* The socket to careofd. */
    CLIENT_BUFFER_SIZE = 256 * 1024,     /* octets that wait for careofd */
    CLIENT_DATAGRAMS_PER_TURN = 16,
    RESTORE_PAGE_SIZE = 65536,           /* octets of values before careofd is asked whether it wants more */
};

#endif
