"""The messages between careofd and tunneld: golden vectors, which tests/native/test_messages.c reads too."""

from careof.wire import tunneld
from vectors import check_counters, check_cuts, check_vectors, refused, unfit, vectors


def test_every_row_has_a_vector_that_is_read_and_written():
    check_vectors(tunneld, "tunneld")


def test_what_is_cut_off_or_too_long_is_refused():
    check_cuts(tunneld, "tunneld")


def test_unknown_kinds_and_bad_devices_are_refused():
    _, octets, _ = vectors("tunneld")[0]
    assert refused(tunneld, b"\x7f\xff" + octets[2:])
    row = {name: octets for name, octets, _ in vectors("tunneld")}["SetUplink"]
    at = row.index(b"wwan0")
    assert refused(tunneld, row[:at] + b"\0wan0" + row[at + 5 :])
    assert refused(tunneld, row[:at] + b"a" * 16 + row[at + 16 :])


def test_what_does_not_fit_is_not_sent():
    for message in (
        tunneld.SetUplink(1, "sixteen-letters-", bytes(4), 1),
        tunneld.SetUplink(1, "wan", bytes(3), 1),
        tunneld.SetUplink(1, "wan", bytes(4), 65536),
        tunneld.SendInner(1, bytes(65535)),
    ):
        assert unfit(tunneld, message), message


def test_every_set_has_a_drop_but_the_tuns():
    for row in tunneld.ROWS:
        if row.name.startswith("Set") and row.name != "SetTun":
            message, _ = tunneld.unpack({name: octets for name, octets, _ in vectors("tunneld")}[row.name])
            drop = tunneld.drop_of(message)
            wanted = {"SetLinkTunnel": "DropTunnel"}.get(row.name, "Drop" + row.name[3:])
            assert type(drop).__name__ == wanted
            assert message[: len(drop)] == drop[:], row.name
    assert tunneld.drop_of(tunneld.SetTun(bytes(4), 1400)) is None


def test_counters_are_named_in_their_order():
    check_counters(tunneld)
    assert tunneld.COUNTERS[0] == "out_packets"


if __name__ == "__main__":
    from runner import main

    main(globals())
