"""A command on a kernel that lacks something: old_kernel.py LACK,... COMMAND...

What a kernel of before answers to a system call, this one answers by a seccomp filter that is put on before
the command begins. Of x86-64.
"""

import ctypes
import os
import struct
import sys

ENOSYS, EINVAL, EPERM, ENODEV, ENOPROTOOPT = 38, 22, 1, 19, 92
IOCTL, SETSOCKOPT, PRCTL, SECCOMP = 16, 54, 157, 317
TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IPPROTO_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104
PR_SET_SECCOMP, MODE_FILTER = 22, 2
# TUN_F_CSUM | TSO4 | TSO_ECN | USO4 | USO6 and TUN_F_CSUM | TSO4 | TSO_ECN, as helper_open.c asks for them
WITH_USO, WITH_TSO, WITH_CSUM = 0x6B, 0x0B, 0x01
# what it lacks -> [(system call, {argument: value}, errno)], and since when Linux has it
LACKS = {
    "uso": [(IOCTL, {1: TUNSETOFFLOAD, 2: WITH_USO}, EINVAL)],  # 6.2
    "tso": [(IOCTL, {1: TUNSETOFFLOAD, 2: flags}, EINVAL) for flags in (WITH_USO, WITH_TSO, WITH_CSUM)],
    "udp_segment": [(SETSOCKOPT, {1: IPPROTO_UDP, 2: UDP_SEGMENT}, ENOPROTOOPT)],  # 4.18
    "udp_gro": [(SETSOCKOPT, {1: IPPROTO_UDP, 2: UDP_GRO}, ENOPROTOOPT)],  # 5.0
    "seccomp": [(PRCTL, {0: PR_SET_SECCOMP}, EINVAL), (SECCOMP, {}, ENOSYS)],
    "vnet_hdr": [(IOCTL, {1: TUNSETIFF}, EINVAL)],  # 2.6.27
}
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ERRNO, ALLOW = 0x00050000, 0x7FFF0000


def program(rows):
    """The instructions: for each row, load and compare one after the other."""
    code = []
    for number, arguments, error in rows:
        checks = [(0, number)] + [(16 + 8 * index, value) for index, value in sorted(arguments.items())]
        left = 2 * len(checks) + 1  # instructions of this row
        for offset, value in checks:
            left -= 2
            code.append((LOAD, 0, 0, offset))
            code.append((EQUAL, 0, left, value))
        code.append((RETURN, 0, 0, ERRNO | error))
    code.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("=HBBI", *one) for one in code)


def lack(names):
    code = program([row for name in names for row in LACKS[name]])
    octets = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("=H6xQ", len(code) // 8, ctypes.addressof(octets))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, head, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot make this kernel an older one")


if __name__ == "__main__":
    lack([name for name in sys.argv[1].split(",") if name])
    os.execvp(sys.argv[2], sys.argv[2:])
