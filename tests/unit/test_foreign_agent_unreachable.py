"""A home agent that ICMP says cannot be reached (RFC 5944 3.7.3): a hint that anyone may have made."""

from careof.agent import events
from careof.limits import ERROR_DOUBTED_MS, PENDING_REPLY_MS
from careof.wire import mip
from foreign import FIRST, HOME, MAC, OTHER_MAC, STRANGER, Foreign, shared
from office import AGENT


def error(foreign, code=1, kind=3, size=None, now_ms=0, **more):
    """About the last request that went on; size: octets of it that are quoted."""
    data = foreign.to_agent[-1][2]
    values = {"uplink": FIRST, "destination": AGENT, "port": 434, "data": data[:size]}
    values.update(more)
    told = events.Unreachable(
        values["uplink"], values["destination"], values["port"], kind, code, values["data"]
    )
    return foreign.tell(told, now_ms)


def refused(foreign):
    return sorted([int(name[15:]) for name in foreign.counts if name.startswith("visitor_denied_")])


def test_what_is_unreachable_is_told_with_its_code():
    for kind, code, told in (
        (3, 0, 80),
        (3, 6, 80),
        (3, 11, 80),
        (3, 1, 81),
        (3, 7, 81),
        (3, 12, 81),
        (3, 3, 82),
        (3, 2, 88),
        (3, 4, 88),
        (3, 13, 88),
        (3, 255, 88),
        (11, 0, 88),
        (11, 1, 88),
        (12, 0, 88),
    ):
        for foreign in (Foreign(), shared()):
            foreign.ask(foreign.request())
            error(foreign, code, kind)
            assert foreign.code() == told and foreign.counts["unreachable"] == 1, (kind, code)
            assert foreign.node_got()[0] == MAC and foreign.role.snapshot(0)["pending"] == 0
            # It is refused: no reply that comes later makes a visitor of it.
            foreign.reply(sign=True)
            assert foreign.visitors() == [] and foreign.counts["visitor_reply_not_awaited"] == 1


def test_only_the_request_that_is_quoted_is_refused():
    foreign = Foreign()
    other = bytes((10, 77, 0, 9))
    foreign.ask(foreign.request(home=other), mac=OTHER_MAC, source=other)
    foreign.ask(foreign.request())
    error(foreign)
    assert foreign.code() == 81 and foreign.node_got()[1].destination == HOME
    assert foreign.role.snapshot(0)["pending"] == 1 and refused(foreign) == [81]


def test_what_does_not_fit_a_pending_request_does_nothing():
    for more in (
        {"data": b"\x01" + bytes(60)},
        {"destination": STRANGER},
        {"port": 435},
        {"uplink": FIRST + 1},
    ):
        foreign = Foreign()
        foreign.ask(foreign.request())
        sent = len(foreign.to_node)
        error(foreign, **more)
        assert len(foreign.to_node) == sent and refused(foreign) == []
        foreign.reply()  # the control
        assert foreign.code() == 0 and foreign.visitors() == ["10.77.0.2"]
        error(foreign)  # and late it does nothing to whoever is there
        assert foreign.visitors() == ["10.77.0.2"] and refused(foreign) == []


def test_an_error_that_quotes_too_little_is_believed_only_if_no_reply_comes():
    """RFC 792 quotes eight octets: whoever guesses the addresses could make it."""
    for size in (0, 1, mip.REQUEST_SIZE - 1):
        foreign = Foreign()
        sent = len(foreign.to_node)
        foreign.ask(foreign.request())
        error(foreign, size=size, now_ms=100)
        assert len(foreign.to_node) == sent and foreign.counts["unreachable_doubted"] == 1
        foreign.reply(now_ms=200)
        assert foreign.code() == 0 and foreign.visitors() == ["10.77.0.2"]
        silent = Foreign()
        silent.ask(silent.request())
        error(silent, size=size, now_ms=100)
        silent.tell(events.Late(), 100 + ERROR_DOUBTED_MS - 1)
        assert refused(silent) == []
        silent.tell(events.Late(), 100 + ERROR_DOUBTED_MS)
        assert refused(silent) == [81]


def test_it_does_not_prolong_the_wait_and_a_false_reply_counts_for_more():
    foreign = Foreign()
    foreign.ask(foreign.request())
    error(foreign, size=0, now_ms=PENDING_REPLY_MS - 10)
    foreign.tell(events.Late(), PENDING_REPLY_MS)
    assert refused(foreign) == [81]
    foreign = shared()
    foreign.ask(foreign.request()).reply()
    error(foreign, size=0)
    foreign.tell(events.Late(), PENDING_REPLY_MS)
    assert refused(foreign) == [68]


def test_a_flood_of_errors_refuses_once():
    foreign = Foreign()
    foreign.ask(foreign.request())
    for _ in range(100):
        error(foreign)
    assert foreign.counts["visitor_denied_81"] == 1 and foreign.counts["unreachable_not_awaited"] == 99


def test_what_was_quoted_with_what_we_added_is_the_same_request():
    foreign = shared()
    foreign.ask(foreign.request())
    relayed = foreign.to_agent[-1][2]
    assert len(relayed) > len(mip.unpack(relayed).relayed)
    error(foreign, data=relayed + b"padding of who quotes")
    assert foreign.code() == 81


if __name__ == "__main__":
    from runner import main

    main(globals())
