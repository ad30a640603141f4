"""A home agent revokes the binding of a mobile router with addresses of its own (RFC 3543 4.2.2.3)."""

from careof.agent import events
from careof.wire import mip, tunneld
from careof.wire import mip_extensions as ext
from office import AGENT, HOME, WAN, router_options
from test_mobile_router import ROUTE, Router
from values import of

THEIRS = 1000  # the home agent's timestamp in its reply
SUPPORT = ext.RevocationSupport(False, THEIRS)


def bound(offers=(SUPPORT,)):
    return Router().link().reply(extensions=offers).answer_probe(40)


def revoke(router, identifier=THEIRS + 1, now_ms=1000, source=AGENT, spi=256, **fields):
    values = {
        "flags": mip.REVOKED_BY_HOME_AGENT,
        "home_address": HOME,
        "home_domain": AGENT,
        "foreign_domain": WAN,
        "identifier": identifier,
        "extensions": [],
    }
    genuine = fields.pop("genuine", True)
    values.update(fields)
    data = mip.pack_to_sign(mip.Revocation(**values), spi, 16)
    data += router.keys.authenticate("branch-wan", data) if genuine else bytes(16)
    return router.tell(events.Datagram(100, source, 434, WAN, 64, data), now_ms)


def texts(router):
    return [log.text for log in of(events.Log, router.order)]


def acknowledgments(router):
    return [m.message for _, m in router.sent if isinstance(m.message, mip.RevocationAcknowledgment)]


def test_a_request_offers_it_and_a_router_that_may_not_does_not():
    request = Router().link().sent[0][1].message
    assert ext.find(request.extensions, ext.RevocationSupport).inform is False
    silent = Router(router_options(revocation=False)).link().sent[0][1].message
    assert ext.find(silent.extensions, ext.RevocationSupport) is None


def test_a_revocation_ends_the_binding_and_is_acknowledged():
    router = revoke(bound())
    [acknowledgment] = acknowledgments(router)
    assert acknowledgment == mip.RevocationAcknowledgment(0, HOME, THEIRS + 1, [])
    signed = next(iter([m for _, m in router.sent if isinstance(m.message, mip.RevocationAcknowledgment)]))
    assert router.keys.verify("branch-wan", signed.protected, signed.authentication.authenticator)
    assert not router.row()["bound"] and router.held[ROUTE].gate == tunneld.GATE_HOLD
    assert router.counts["revocation_taken"] == 1
    # The home agent is asked again: whether it wants us is for it to say.
    router.tell(events.Late(), 2100)
    assert isinstance(router.sent[-1][1].message, mip.RegistrationRequest)


def test_what_it_says_to_the_user_is_shown():
    """RFC 4917. Only what is genuine, and from a home agent; without words the revocation is the same."""
    words = ext.MessageString(ext.MESSAGE_FROM_HOME_AGENT, "Gesperrt: 4711\n".encode())
    router = revoke(bound(), extensions=[words])
    assert router.role.snapshot(1000)["messages"] == {"home agent": "Gesperrt: 4711?"}
    assert router.role.rows("registrations", None, 1000)[0][0]["message"] == "Gesperrt: 4711?"
    assert 'wan: revoked by the home agent; it says "Gesperrt: 4711?"' in texts(router)
    for other in (
        revoke(bound(), extensions=[words], genuine=False),
        revoke(bound(), extensions=[ext.MessageString(ext.MESSAGE_FROM_FOREIGN_AGENT, b"boo")]),
    ):
        assert other.role.snapshot(1000)["messages"] is None
        assert not [text for text in texts(other) if "it says" in text]


def test_a_repetition_is_acknowledged_and_nothing_else():
    router = revoke(revoke(bound()), THEIRS + 2, 2000)
    assert len(acknowledgments(router)) == 2 and router.counts["revocation_taken"] == 1


def test_what_does_not_fit_is_discarded_without_a_word():
    for name, fields in (
        ("revocation_false_authenticator", {"genuine": False}),
        ("revocation_not_authenticated", {"spi": 999}),
        ("revocation_reflected", {"flags": 0}),
        ("revocation_stale", {"identifier": THEIRS}),
        ("revocation_stale", {"identifier": THEIRS - 5}),
        ("revocation_of_nobody", {"foreign_domain": bytes((203, 0, 113, 99))}),
        ("revocation_of_nobody", {"home_domain": bytes((198, 51, 100, 99))}),
        ("revocation_of_nobody", {"home_address": bytes((10, 77, 0, 3))}),
        ("reply_from_elsewhere", {"source": bytes((198, 51, 100, 99))}),
    ):
        router = revoke(bound(), **fields)
        assert router.counts[name] == 1, (name, router.counts)
        assert router.row()["bound"] and acknowledgments(router) == [], name
    assert not revoke(bound()).row()["bound"]  # the control


def test_without_the_home_agents_support_there_is_nothing_to_revoke():
    router = revoke(bound(offers=()))
    assert router.row()["bound"] and router.counts["revocation_of_nobody"] == 1


if __name__ == "__main__":
    from runner import main

    main(globals())
