"""Mobile IPv4 messages against the figures of RFC 5944 3.3 to 3.5, RFC 3519 3.1 to 3.3 and RFC 3115 2."""

from careof.wire import mip, mip_codes, mip_extensions
from careof.wire.reader import Malformed

HOME, AGENT, CARE_OF = bytes((10, 77, 0, 2)), bytes((198, 51, 100, 10)), bytes((192, 0, 2, 2))
IDENTIFICATION = 0x0123456789ABCDEF
REQUEST = (
    "01" "a2" "0258"  # type, S|D|T, 600 s
    "0a4d0002" "c633640a" "c0000202" "0123456789abcdef"
)  # fmt: skip
REPLY = "038502580a4d0002c633640a0123456789abcdef"
# type 32, length, SPI 256, 16 octets
AUTHENTICATION = "201400000100" + "5a" * 16
UDP_REQUEST = "9006000080040000"  # F, IP in IP
UDP_REPLY = "2c0600408000006e"  # declined, forced, 110 s
CRITICAL = "2600000600007ed90001"  # RFC 3115 2.1: type 38, reserved, length
NORMAL = "860a000000007ed90002abcd"


def octets(*texts):
    return bytes.fromhex("".join(texts))


def request(extensions=()):
    flags = mip.FLAG_S | mip.FLAG_D | mip.FLAG_T
    return mip.RegistrationRequest(flags, 600, HOME, AGENT, CARE_OF, IDENTIFICATION, list(extensions))


def reply(extensions=()):
    return mip.RegistrationReply(133, 600, HOME, AGENT, IDENTIFICATION, list(extensions))


def refused(data):
    """The exception's type, or None if it was read."""
    try:
        mip.unpack(data)
    except Malformed as e:
        return type(e)
    return None


def test_a_request_is_laid_out_as_in_3_3():
    assert mip.pack(request()) == octets(REQUEST)
    received = mip.unpack(octets(REQUEST))
    assert received.message == request() and received.authentication is None


def test_a_reply_is_laid_out_as_in_3_4():
    assert mip.pack(reply()) == octets(REPLY)
    assert mip.unpack(octets(REPLY)).message == reply()


def test_the_authenticator_covers_all_before_it_with_its_type_length_and_spi():
    signed = mip.pack_to_sign(request(), 256, 16)
    assert signed == octets(REQUEST, "2014", "00000100")
    received = mip.unpack(signed + b"\x5a" * 16)
    assert received.protected == signed
    assert received.authentication == mip_extensions.MobileHomeAuthentication(256, b"\x5a" * 16)


EXTENSIONS = (
    (mip_extensions.UdpTunnelRequest(mip_extensions.UDP_FORCE, 4), UDP_REQUEST, request),
    (mip_extensions.UdpTunnelReply(64, True, 110), UDP_REPLY, reply),
    (mip_extensions.NO_CHANGE, CRITICAL, request),
    (mip_extensions.NormalVendor(mip_extensions.ENTERPRISE, 2, b"\xab\xcd"), NORMAL, request),
    (mip_extensions.Nai(b"mn@example.net"), "830e" + b"mn@example.net".hex(), request),
)


def test_extensions_are_laid_out_as_in_their_rfcs():
    for extension, text, make in EXTENSIONS:
        whole = mip.pack(make([extension]))
        assert whole == mip.pack(make()) + octets(text), extension
        assert mip.unpack(whole).message == make([extension]), extension


def test_extensions_after_the_authenticator_are_told_apart():
    foreign = "211400000200" + "6b" * 16
    received = mip.unpack(octets(REQUEST, UDP_REQUEST, AUTHENTICATION, foreign))
    assert received.message.extensions == [mip_extensions.UdpTunnelRequest(mip_extensions.UDP_FORCE, 4)]
    assert received.protected == octets(REQUEST, UDP_REQUEST, AUTHENTICATION)[:-16]
    assert received.relayed == octets(REQUEST, UDP_REQUEST, AUTHENTICATION)
    assert received.unprotected == []
    assert received.agent_authentication == mip_extensions.MobileForeignAuthentication(512, b"\x6b" * 16)
    assert received.agent_protected == octets(REQUEST, UDP_REQUEST, AUTHENTICATION, foreign)[:-16]


def test_unknown_extensions_below_128_discard_the_message_and_others_are_skipped():
    for kind in range(256):
        data = octets(REQUEST) + bytes((kind, 4)) + b"wxyz" + octets(AUTHENTICATION)
        if kind == mip_extensions.PADDING or kind in mip_extensions.BY_KIND:
            continue
        if kind < 128:
            assert refused(data) is mip.Discard, kind
        else:
            assert mip.unpack(data).message == request(), kind


def test_padding_is_one_octet():
    assert mip.unpack(octets(REQUEST, "000000", AUTHENTICATION, "00")).message == request()


def test_reserved_fields_of_the_udp_tunnel_request():
    ignored = mip.unpack(octets(REQUEST, "900600ffbf040000")).message
    assert ignored.extensions == [mip_extensions.UdpTunnelRequest(mip_extensions.UDP_FORCE, 4)]
    skipped = mip.unpack(octets(REQUEST, "9006000080040001")).message
    assert skipped.extensions == []
    other_sub_type = mip.unpack(octets(REQUEST, "9006010080040000")).message
    assert other_sub_type.extensions == []
    assert refused(octets(REPLY, "2c0601000000006e")) is mip.Discard  # not skippable


def test_reserved_flags_are_ignored_and_not_sent():
    received = mip.unpack(octets("01a7", REQUEST[4:])).message  # r and x set
    assert received == request()
    try:
        mip.pack(mip.RegistrationRequest(0x04, 0, HOME, AGENT, CARE_OF, 0, []))
        assert False, "sent"
    except ValueError:
        pass


WHOLE = octets(REQUEST, UDP_REQUEST, CRITICAL, NORMAL, AUTHENTICATION)


def test_cut_off_anywhere_it_is_refused_or_not_authenticated():
    for size in range(len(WHOLE)):
        try:
            received = mip.unpack(WHOLE[:size])
        except Malformed:
            continue
        assert received.authentication is None, size
    assert mip.unpack(WHOLE).authentication is not None


def test_lengths_that_lie_are_refused():
    at = len(octets(REQUEST)) + 1
    for length in range(256):
        data = WHOLE[:at] + bytes((length,)) + WHOLE[at + 1 :]
        if length != 6:
            try:
                received = mip.unpack(data)
            except Malformed:
                continue
            assert (
                mip_extensions.UdpTunnelRequest(mip_extensions.UDP_FORCE, 4)
                not in received.message.extensions
            )


def test_what_may_come_once_comes_once():
    assert refused(octets(REQUEST, AUTHENTICATION, AUTHENTICATION)) is Malformed
    assert refused(octets(REQUEST, UDP_REQUEST, UDP_REQUEST, AUTHENTICATION)) is Malformed
    assert refused(octets(REQUEST, UDP_REPLY, AUTHENTICATION)) is Malformed  # a reply's
    assert refused(octets(REPLY, UDP_REQUEST, AUTHENTICATION)) is Malformed  # a request's


def test_endless_chains_are_cut():
    assert refused(octets(REQUEST) + bytes(mip.EXTENSIONS_MAX)) is None
    assert refused(octets(REQUEST) + bytes(mip.EXTENSIONS_MAX + 1)) is Malformed


def test_other_messages_are_not_registrations():
    assert refused(b"") is Malformed
    assert refused(b"\x06" + bytes(30)) is mip.Discard
    assert refused(octets(REQUEST)[:-1]) is Malformed and refused(octets(REPLY)[:-1]) is Malformed


def test_tunnel_data_is_laid_out_as_in_rfc_3519_3_3():
    assert mip.pack_tunnel_data(mip.TunnelData(4, b"inner")) == octets("04040000") + b"inner"
    assert mip.unpack_tunnel_data(octets("04040000") + b"inner") == mip.TunnelData(4, b"inner")
    for wrong in (b"", b"\4\4\0", b"\1\4\0\0"):
        try:
            mip.unpack_tunnel_data(wrong)
            assert False, wrong
        except Malformed:
            pass


def test_codes_have_words():
    assert mip_codes.describe_code(133) == "code 133 (registration Identification mismatch)"
    assert mip_codes.describe_code(250) == "code 250 (not known)"


if __name__ == "__main__":
    from runner import main

    main(globals())
