"""YMODEM between its two ends, over lines that lose, garble and repeat."""

import random

from careof.console import ymodem

DATA = bytes([(number * 7 + number // 256) & 0xFF for number in range(5000)])


def run(sender, receiver, harm=None, rounds=20000):
    """Pass octets until both have ended; harm(octets) -> what arrives. After silence both are late."""
    harm = harm or (lambda octets: octets)
    to_sender, to_receiver = receiver.begin(), sender.begin()
    for _ in range(rounds):
        ended = [one for one in (sender, receiver) if one.done or one.error]
        if len(ended) == 2:
            return
        arrived, arrives = harm(to_receiver), harm(to_sender)
        to_receiver = to_sender = b""
        if not arrived and not arrives:
            to_receiver, to_sender = (b"" if one in ended else one.late() for one in (sender, receiver))
            continue
        if arrived and receiver not in ended:
            to_sender = receiver.feed(arrived)
        if arrives and sender not in ended:
            to_receiver = sender.feed(arrives)
    raise AssertionError("no end: sender %s %s, receiver %s %s" % (
        sender.done, sender.error, receiver.done, receiver.error))  # fmt: skip


def ends(data=DATA, size_max=10000):
    return ymodem.Sender("careof", data), ymodem.Receiver(size_max)


def test_the_crc_is_xmodems():
    assert ymodem.crc16(b"123456789") == 0x31C3  # the catalogue's check value of CRC-16/XMODEM


def test_files_of_all_sizes_arrive():
    for size in (0, 1, 127, 128, 129, 1023, 1024, 1025, 5000):
        sender, receiver = ends(DATA[:size])
        run(sender, receiver)
        assert sender.done and receiver.done and receiver.name == "careof" and receiver.data == DATA[:size]


def test_a_block_is_as_the_protocol_says():
    one = ymodem.block(258, bytes(1024))
    assert one[:3] == b"\x02\x02\xfd" and len(one) == 1029 and one[-2:] == b"\0\0"


def test_a_line_that_loses_and_garbles_delivers_the_same_file_or_says_that_it_does_not():
    seed = random.getrandbits(32)
    whole = 0
    for number in range(12):
        random.seed(seed + number)

        def harm(octets):
            kept = []
            for octet in octets:
                fate = random.getrandbits(12)
                if fate == 0:
                    continue
                kept.append(octet ^ 1 << random.getrandbits(3) if fate == 1 else octet)
            return bytes(kept)

        sender, receiver = ends()
        run(sender, receiver, harm)
        if receiver.done:
            assert receiver.data == DATA, seed + number
            whole += 1
        else:
            assert receiver.error or sender.error
    assert whole >= 6, "seed %d: %d of 12 arrived" % (seed, whole)


def test_a_dead_line_ends_both():
    sender, receiver = ends()
    run(sender, receiver, lambda octets: b"")
    assert "nothing came for" in receiver.error and "no answer for" in sender.error


def test_either_side_may_give_up():
    sender, receiver = ends()
    sender.feed(b"C")
    sender.feed(b"\x18\x18")
    assert sender.error == "the other end gave up"
    receiver.feed(sender._now())
    receiver.feed(b"\x18\x18")
    assert receiver.error == "the other end gave up"


def test_what_is_too_large_is_refused_before_and_while_it_comes():
    sender, receiver = ends(DATA, 4000)
    run(sender, receiver)
    assert receiver.error == "5000 octets, at most 4000" and sender.error == "the other end gave up"
    receiver = ymodem.Receiver(2000)
    receiver.feed(ymodem.block(0, b"x\0" + bytes(126)))  # says no size
    number = 1
    while receiver.error is None:
        receiver.feed(ymodem.block(number, bytes(1024)))
        number += 1
        assert number < 5
    assert receiver.error == "more than 2000 octets"


def test_a_file_that_is_shorter_than_was_said_is_refused():
    receiver = ymodem.Receiver(10000)
    receiver.feed(ymodem.block(0, b"x\x005000\0" + bytes(121)))
    receiver.feed(ymodem.block(1, bytes(1024)))
    assert receiver.feed(b"\x04") == b"\x15"
    receiver.feed(b"\x04")
    assert receiver.error == "1024 octets of 5000"


def test_lies_and_noise_end_in_words():
    for octets, why in (
        (ymodem.block(0, bytes(128)), "no file"),
        (ymodem.block(0, b"x\0" + b"9" * 30 + bytes(96)), "at most"),
        (ymodem.block(0, b"x\0much\0" + bytes(121)), "cannot be read"),
        (ymodem.block(0, b"\xff\xfe\x005\0" + bytes(123)), "cannot be read"),
        (ymodem.block(7, bytes(128)), "block 7 came instead of 0"),
    ):
        receiver = ymodem.Receiver(10000)
        receiver.feed(octets)
        assert why in receiver.error, (why, receiver.error)
    seed = random.getrandbits(32)
    random.seed(seed)
    receiver = ymodem.Receiver(10000)
    for _ in range(300):
        receiver.feed(bytes([random.getrandbits(8) for _ in range(50)]))
    assert not receiver.done, seed


if __name__ == "__main__":
    from runner import main

    main(globals())
