"""Every kind of message and every extension there is a row for: there and back, lies, reserved fields.

What they look like is held to their figures in test_mip, test_mip_extensions and test_router_discovery; what
others make of them is in tests/host/test_mip_eyes. A new row without a sample here is a failure.
"""

from careof.wire import ipv4, mip
from careof.wire import mip_extensions as ext
from careof.wire import router_discovery as discovery
from careof.wire.reader import Malformed

ONES, ZEROS, ADDRESS = b"\xff" * 4, bytes(4), bytes((198, 51, 100, 10))
SIGNED = b"\x20\x14" + (256).to_bytes(4, "big") + b"\x5a" * 16

# Each row: the smallest, one in the middle, the largest that fits its length.
SAMPLES = (
    (ext.MobileHomeAuthentication(0, b"1"), ext.MobileHomeAuthentication(0xFFFFFFFF, b"\xff" * 251)),
    (ext.MobileForeignAuthentication(256, b"1"), ext.MobileForeignAuthentication(0xFFFFFFFF, b"\xff" * 251)),
    (ext.ForeignHomeAuthentication(256, b"1"), ext.ForeignHomeAuthentication(0xFFFFFFFF, b"\xff" * 251)),
    (ext.MobileAaaAuthentication(2, bytes(16)), ext.MobileAaaAuthentication(0xFFFFFFFF, b"\xff" * 900)),
    (ext.CriticalVendor(0, 0, b""), ext.NO_CHANGE, ext.CriticalVendor(0xFFFFFFFF, 0xFFFF, b"\xff" * 900)),
    (ext.UdpTunnelReply(0, False, 0), ext.UdpTunnelReply(255, True, 0xFFFF)),
    (ext.AgentError(0), ext.AgentError(255)),
    (ext.EncapsulatingDelivery(),),
    (ext.Nai(b"a"), ext.Nai(b"mn@example.net"), ext.Nai(b"n" * 255)),
    (ext.Challenge(b"\x00"), ext.Challenge(b"12345678"), ext.Challenge(b"\xff" * 255)),
    (ext.NormalVendor(0, 0, b""), ext.host_configuration(1, b"\x00\x18"), ext.NormalVendor(9, 9, b"v" * 247)),
    (ext.CarriedNai(1, b"h"), ext.CarriedNai(2, b"a" * 254)),
    (ext.RevocationSupport(False, 0), ext.RevocationSupport(True, 0xFFFFFFFF)),
    (ext.DynamicHomeAgent(1, ZEROS), ext.DynamicHomeAgent(2, ONES)),
    (ext.UdpTunnelRequest(0, 0), ext.UdpTunnelRequest(ext.UDP_FORCE | ext.UDP_THROUGH_AGENT, 255)),
    (ext.MessageString(1, b"w"), ext.MessageString(2, b"w" * 254)),
    (
        ext.MobileNetworkRequest(ZEROS, 0),
        ext.MobileNetworkRequest(ONES, 255),
        ext.MobileNetworkReply(1, 0, ZEROS, 0),
        ext.MobileNetworkReply(2, 255, ONES, 255),
    ),
)
MESSAGES = (
    mip.RegistrationRequest(0, 0, ZEROS, ZEROS, ZEROS, 0, []),
    mip.RegistrationRequest(mip.FLAGS, 0xFFFF, ONES, ONES, ONES, (1 << 64) - 1, []),
    mip.RegistrationReply(0, 0, ZEROS, ZEROS, 0, []),
    mip.RegistrationReply(255, 0xFFFF, ONES, ONES, (1 << 64) - 1, []),
    mip.Revocation(0, ZEROS, ZEROS, ZEROS, 0, []),
    mip.Revocation(0xC000, ONES, ONES, ONES, 0xFFFFFFFF, []),
    mip.RevocationAcknowledgment(0, ZEROS, 0, []),
    mip.RevocationAcknowledgment(0x8000, ONES, 0xFFFFFFFF, []),
)
BARE = [MESSAGES[index] for index in (0, 2, 4, 6)]  # one of each kind
PLACES = {
    mip.RegistrationRequest: ext.REQUEST,
    mip.RegistrationReply: ext.REPLY,
    mip.Revocation: ext.REVOCATION,
    mip.RevocationAcknowledgment: ext.ACKNOWLEDGMENT,
}
AGENT = discovery.Agent(0xFFFF, 0xFFFF, discovery.FLAGS, (ADDRESS, ONES))
ADVERTISEMENTS = (
    discovery.Advertisement(0, 0, [], None, None, None),
    discovery.Advertisement(16, 0xFFFF, [(ADDRESS, -(1 << 31)), (ONES, (1 << 31) - 1)], None, (0, 32), None),
    discovery.Advertisement(0, 3, [(ADDRESS, 0)], AGENT, (24,), b"\x00"),
    discovery.Advertisement(0, 3, [], discovery.Agent(0, 0, discovery.AGENT_H, ()), None, b"\xff" * 255),
)


def row_of(extension):
    return ext.BY_KIND[ext.pack_extension(extension)[0]]


def at_home_in(row):
    """(message, whether protected) for every place where a row's extension is legal."""
    for message in BARE:
        for side in (ext.PROTECTED, ext.UNPROTECTED):
            if row.legal & PLACES[type(message)] and row.legal & side:
                yield message, side == ext.PROTECTED


def received_with(message, octets, protected):
    data = mip.pack(message)
    return mip.unpack(data + octets + SIGNED if protected else data + SIGNED + octets)


def found(received, extension):
    everywhere = list(received.message.extensions) + list(received.unprotected)
    everywhere += [received.authentication, received.agent_authentication, received.aaa_authentication]
    return extension in everywhere


def test_every_row_has_samples():
    assert [row_of(samples[0]).kind for samples in SAMPLES] == [row.kind for row in ext.ROWS]
    for samples in SAMPLES:
        assert len(set([row_of(sample).kind for sample in samples])) == 1
    assert set([type(message) for message in MESSAGES]) == set([row.message for row in mip._KINDS])


def test_every_message_is_read_back():
    for message in MESSAGES:
        data = mip.pack(message)
        assert mip.unpack(data).message == message
        assert mip.pack(mip.unpack(data).message) == data
        for size in range(len(data)):
            assert is_refused(mip.unpack, data[:size]), (message, size)
    for protocol in (0, 4, 47, 55, 255):
        for data in (b"", b"inner", b"\xff" * 1400):
            whole = mip.pack_tunnel_data(mip.TunnelData(protocol, data))
            assert mip.unpack_tunnel_data(whole) == mip.TunnelData(protocol, data)


def test_every_extension_is_read_back_in_every_place():
    count = 0
    for samples in SAMPLES:
        for extension in samples:
            row = row_of(extension)
            for message, protected in at_home_in(row):
                if row.kind == ext.MOBILE_HOME:
                    received = mip.unpack(mip.pack(message) + ext.pack_extension(extension))
                else:
                    received = received_with(message, ext.pack_extension(extension), protected)
                assert found(received, extension), (extension, message, protected)
                count += 1
    assert count > 100


def test_every_advertisement_is_read_back():
    for message in ADVERTISEMENTS + (discovery.Solicitation(),):
        data = discovery.pack(message)
        assert discovery.unpack(data) == message and discovery.pack(discovery.unpack(data)) == data
        assert discovery.unpack_packet(discovery.pack_packet(ADDRESS, ONES, message)) == (ADDRESS, message)


def is_refused(read, data):
    try:
        read(data)
    except Malformed:
        return True
    return False


def test_the_length_of_every_extension_may_lie():
    """0 to one more than its header, one less and more than the truth, and the largest that can be said.

    What it says is beyond the message, or less than its row wants: refused. Else it is another extension,
    a shorter one, and what is left over is read as the next: never more than is there.
    """
    for samples in SAMPLES:
        for extension in samples:
            octets, row = ext.pack_extension(extension), row_of(extension)
            size, width = len(octets) - row.header, 1 if row.header == 2 else 2
            largest = (1 << 8 * width) - 1
            for length in sorted(set(range(row.header + 2)) | {size - 1, size + 1, largest}):
                if length in (size, -1) or length > largest:
                    continue
                lying = octets[: row.header - width] + length.to_bytes(width, "big") + octets[row.header :]
                for message, _ in at_home_in(row):
                    data = mip.pack(message) + lying
                    refused = is_refused(mip.unpack, data)
                    assert refused or not (length > size or length < row.size_min), (extension, length)
                    assert refused or not found(mip.unpack(data), extension), (extension, length)


def test_every_extension_may_be_cut_off():
    for samples in SAMPLES:
        for extension in samples:
            octets = ext.pack_extension(extension)
            message = next(at_home_in(row_of(extension)))[0]
            for size in range(1, min(len(octets), 40)):
                assert is_refused(mip.unpack, mip.pack(message) + octets[:size]), (extension, size)


def test_the_length_of_every_extension_of_an_advertisement_may_lie():
    def summed(data):
        return data[:2] + ipv4.checksum(data[:2] + bytes(2) + data[4:]).to_bytes(2, "big") + data[4:]

    bare = discovery.pack(discovery.Advertisement(0, 3, [(ADDRESS, 0)], None, None, None))
    whole = (
        b"\x10\x0a" + b"\x00\x01\x07\x08\x10\x00" + ADDRESS,
        b"\x13\x01\x18",
        b"\x18\x08abcdefgh",
    )
    for octets in whole:
        assert not is_refused(discovery.unpack, summed(bare + octets))  # the control
        size = len(octets) - 2
        for length in (0, 1, 2, 3, size - 1, size + 1, 255):
            if length == size:
                continue
            lying = bare + octets[:1] + bytes((length,)) + octets[2:]
            refused = is_refused(discovery.unpack, summed(lying))
            # A challenge may be shorter; what is left over is then no extension that one must know.
            assert refused or (octets[0] == 24 and length < size), (octets, length)
        for cut in range(1, len(octets)):
            assert is_refused(discovery.unpack, summed(bare + octets[:cut])), (octets, cut)


# Where reserved octets or bits are: extension, (offset, bits)...
RESERVED = (
    (ext.UdpTunnelRequest(ext.UDP_FORCE, 4), (3, 0xFF), (4, 0x3F)),
    (ext.UdpTunnelReply(0, True, 110), (4, 0x7F), (5, 0xFF)),
    (ext.CriticalVendor(9, 1, b"v"), (1, 0xFF)),
    (ext.NormalVendor(9, 1, b"v"), (2, 0xFF), (3, 0xFF)),
    (ext.RevocationSupport(True, 7), (2, 0x7F), (3, 0xFF)),
    (ext.MobileNetworkReply(1, 0, ADDRESS, 24), (5, 0xFF)),
)
RESERVED_IN_MESSAGES = (
    (mip.RegistrationRequest(mip.FLAG_D, 9, ADDRESS, ADDRESS, ADDRESS, 1, []), (1, 0x05)),
    (
        mip.Revocation(mip.REVOCATION_INFORM, ADDRESS, ADDRESS, ADDRESS, 1, []),
        (1, 0xFF),
        (2, 0x3F),
        (3, 0xFF),
    ),
    (mip.RevocationAcknowledgment(0x8000, ADDRESS, 1, []), (1, 0xFF), (2, 0x7F), (3, 0xFF)),
)


def noisy(octets, fields):
    made = bytearray(octets)
    for offset, bits in fields:
        assert made[offset] & bits == 0, "not sent as zero"
        made[offset] |= bits
    return bytes(made)


def test_reserved_fields_are_sent_as_zero_and_ignored():
    for extension, *fields in RESERVED:
        octets = noisy(ext.pack_extension(extension), fields)
        message, protected = next(at_home_in(row_of(extension)))
        assert found(received_with(message, octets, protected), extension), extension
    for message, *fields in RESERVED_IN_MESSAGES:
        assert mip.unpack(noisy(mip.pack(message), fields)).message == message


if __name__ == "__main__":
    from runner import main

    main(globals())
