"""The messages between careofd and keyd: golden vectors, which tests/native/test_messages.c reads too."""

from careof.wire import keyd
from careof.wire.reader import Malformed
from vectors import check_counters, check_cuts, check_vectors, refused, unfit, vectors


def test_every_row_has_a_vector_that_is_read_and_written():
    check_vectors(keyd, "keyd")


def test_what_is_cut_off_or_too_long_is_refused():
    check_cuts(keyd, "keyd")


def test_counters_are_named_in_their_order():
    check_counters(keyd)


def with_length(octets):
    return octets[:2] + len(octets).to_bytes(2, "big") + octets[4:]


def test_names_that_are_none_are_refused():
    octets = {name: octets for name, octets, _ in vectors("keyd")}["DropKey"]
    head, name = octets[:8], octets[9:]
    assert not refused(keyd, with_length(head + bytes([len(name)]) + name))
    for wrong in (b"", name + b"\0", b"with blank", b"x" * 64, b"\xc3\xa9", b"\x7f"):
        assert refused(keyd, with_length(head + bytes([len(wrong)]) + wrong)), wrong
    for length in (0, len(name) - 1, len(name) + 1, 255):  # lengths that lie
        assert refused(keyd, head + bytes([length]) + name), length


def test_what_does_not_fit_is_not_sent():
    for message in (
        keyd.DropKey(""),
        keyd.DropKey("x" * 64),
        keyd.DropKey("with blank"),
        keyd.Verify(1, "key", bytes(256), b""),
        keyd.AddKey("key", 256, bytes(16)),
        keyd.Save("name", 0, bytes(65535)),
    ):
        assert unfit(keyd, message), message
    assert not unfit(keyd, keyd.Save("x" * 63, 1, bytes(keyd.PART_SIZE_MAX)))


def test_a_datagram_has_several_messages():
    asked = [
        keyd.Authenticate(7, "key", b"some octets"),
        keyd.Verify(8, "key", bytes(16), b""),
        keyd.AskCounters(),
    ]
    datagram = b"".join([keyd.pack(message, number) for number, message in enumerate(asked)])
    assert keyd.messages(datagram) == [(message, number) for number, message in enumerate(asked)]
    assert keyd.messages(b"") == []
    ends = [0]
    for message in asked:
        ends.append(ends[-1] + len(keyd.pack(message, 0)))
    for size in range(len(datagram) + 1):  # a length that lies spoils all of it, but not more
        try:
            whole = len(keyd.messages(datagram[:size]))
            assert size in ends and whole == ends.index(size)
        except Malformed:
            assert size not in ends


def test_the_quick_forms_are_those_of_the_table():
    for name in ("k", "node-10.77.0.2-256", "x" * 63):
        key = keyd.key_octets(name)
        for data in (b"", b"data", bytes(3000)):
            for number, token in ((0, 0), (1, 0xFFFFFFFF), (0xFFFFFFFF, 7)):
                wanted = keyd.pack(keyd.Authenticate(token, name, data), number)
                assert keyd.pack_authenticate(number, token, key, data) == wanted
                for authenticator in (b"", bytes(16), bytes(255)):
                    wanted = keyd.pack(keyd.Verify(token, name, authenticator, data), number)
                    assert keyd.pack_verify(number, token, key, authenticator, data) == wanted
    for message in (
        keyd.Verified(0xFFFFFFFF, 1),
        keyd.Verified(7, 255),
        keyd.Authenticated(7, b""),
        keyd.Authenticated(0, bytes(64)),
    ):
        octets = keyd.pack(message, 0xFFFFFFFE)
        assert keyd.messages(octets) == [keyd.unpack(octets)] == [(message, 0xFFFFFFFE)]
        for size in range(8, len(octets) + 3):  # of another length, with a header that agrees
            other = octets[:2] + size.to_bytes(2, "big") + (octets + bytes(9))[4:size]
            if refused(keyd, other):
                try:
                    keyd.messages(other)
                    assert False, size
                except Malformed:
                    pass
            else:
                assert keyd.messages(other) == [keyd.unpack(other)]
    try:
        keyd.key_octets("x" * 64)
        assert False
    except ValueError:
        pass


def test_a_length_below_a_header_is_refused():
    for length in range(8):
        try:
            keyd.messages(b"\0\x40" + length.to_bytes(2, "big") + bytes(20))
            assert False, length
        except Malformed:
            pass


if __name__ == "__main__":
    from runner import main

    main(globals())
