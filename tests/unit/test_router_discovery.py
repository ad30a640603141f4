"""Agent advertisements and solicitations against the figures of RFC 1256 and RFC 5944 2.1."""

from careof.wire import ipv4
from careof.wire import router_discovery as rd
from careof.wire.reader import Malformed

ROUTER, CARE_OF, HOME = bytes((10, 9, 0, 1)), bytes((192, 0, 2, 7)), bytes((10, 77, 0, 2))
AGENT = rd.Agent(17, 1800, rd.AGENT_F | rd.AGENT_G | rd.AGENT_T, (CARE_OF,))
WHOLE = rd.Advertisement(16, 30, [(ROUTER, -1)], AGENT, (24,), b"\x01\x02\x03\x04\x05")
# type, code, checksum | addresses, entry size, lifetime | router, preference | 16 | 19 | 24 | padding
FIGURE = "0910%s0102001e" + "0a090001ffffffff" + "100a001107081500c0000207" + "130118" + "18050102030405"


def advertisement(**changes):
    values = dict(zip(("code", "lifetime_s", "routers", "agent", "prefix_lengths", "challenge"), WHOLE))
    values.update(changes)
    return rd.Advertisement(
        *[values[n] for n in ("code", "lifetime_s", "routers", "agent", "prefix_lengths", "challenge")]
    )


def refused(data):
    try:
        rd.unpack(data)
    except Malformed as e:
        return str(e)
    return None


def summed(data):
    data = data[:2] + bytes(2) + data[4:]
    return data[:2] + ipv4.checksum(data).to_bytes(2, "big") + data[4:]


def test_an_advertisement_is_laid_out_as_the_figures():
    data = rd.pack(WHOLE)
    assert data.hex() == FIGURE % data[2:4].hex()
    assert ipv4.checksum(data) == 0 and rd.unpack(data) == WHOLE


def test_with_and_without_each_part():
    for agent in (AGENT, rd.Agent(0, 0xFFFF, rd.AGENT_H, ()), None):
        for routers, lengths in (([], None), ([], ()), ([(ROUTER, 0)], (24,)), ([(ROUTER, 0)], None)):
            for challenge in (None, b"abcd", b"abcde"):
                message = rd.Advertisement(0, 3, routers, agent, lengths, challenge)
                data = rd.pack(message)
                assert rd.unpack(data) == message and len(data) % 2 == 0, message


def test_a_solicitation():
    data = rd.pack(rd.Solicitation())
    assert data == bytes.fromhex("0a00f5ff00000000") and rd.unpack(data) == rd.Solicitation()
    assert "code" in refused(summed(b"\x0a\x01" + data[2:]))


def test_packets_have_a_ttl_of_one():
    packet = rd.pack_packet(ROUTER, rd.ALL_SYSTEMS, WHOLE)
    assert ipv4.unpack(packet).ttl == 1 and rd.unpack_packet(packet) == (ROUTER, WHOLE)


def test_what_an_agent_must_not_say_is_not_packed():
    for flags, care_of in (
        (0, (CARE_OF,)),
        (rd.AGENT_H | rd.AGENT_B, ()),
        (rd.AGENT_H | rd.AGENT_R, ()),
        (rd.AGENT_F, ()),
        (rd.AGENT_F | 0x0200, (CARE_OF,)),
    ):
        try:
            rd.pack(advertisement(agent=rd.Agent(0, 1, flags, care_of)))
        except ValueError:
            continue
        assert False, flags


def test_reserved_bits_are_ignored():
    data = rd.pack(advertisement(prefix_lengths=None, challenge=None))
    at = data.index(b"\x15\x00")
    noisy = summed(data[:at] + b"\x17\x3f" + data[at + 2 :])
    assert rd.unpack(noisy).agent == AGENT


def test_longer_entries_are_read_as_rfc_1256_says():
    entry = ROUTER + b"\xff\xff\xff\xff" + b"later"[:4]
    assert rd.unpack(summed(b"\x09\x00\x00\x00\x01\x03\x00\x1e" + entry)).routers == [(ROUTER, -1)]
    assert "entry size" in refused(summed(b"\x09\x00\x00\x00\x01\x01\x00\x1e" + entry))


def test_unknown_extensions():
    bare = rd.pack(rd.Advertisement(0, 3, [], None, None, None))
    for kind in range(1, 256):
        told = refused(summed(bare + bytes((kind, 2, 0, 0))))
        if kind in (16, 19, 24):
            continue
        assert (told is None) == (kind >= 128), kind


def test_lengths_that_lie_and_cuts():
    data = rd.pack(WHOLE)
    for at in range(8, len(data)):
        for value in (0, 1, 5, 6, 7, 0x7F, 0xFF):
            refused(summed(data[:at] + bytes((value,)) + data[at + 1 :]))  # no other exception
    for size in range(len(data)):
        cut = summed(data[:size]) if size >= 4 else data[:size]
        # What was cut off at the end of an extension is another advertisement, and a sound one.
        assert refused(cut) is not None or size in (16, 28, 31), size
    assert "checksum" in refused(data[:-1] + bytes((data[-1] ^ 1,)))


def test_an_agent_without_an_address_or_a_role_is_no_agent():
    bare = rd.pack(rd.Advertisement(0, 3, [], None, None, None))
    assert "without a care-of" in refused(summed(bare + bytes.fromhex("1006000000011000")))
    assert "neither" in refused(summed(bare + bytes.fromhex("1006000000010000")))
    assert "addresses" in refused(summed(bare + bytes.fromhex("10080000000120000102")))


if __name__ == "__main__":
    from runner import main

    main(globals())
