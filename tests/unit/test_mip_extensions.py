"""Every extension against the figure of its RFC: laid out so, read so, refused when its length lies."""

from careof.wire import mip
from careof.wire import mip_extensions as ext
from careof.wire.reader import Malformed

HOME, AGENT, CARE_OF = bytes((10, 77, 0, 2)), bytes((198, 51, 100, 10)), bytes((192, 0, 2, 2))
NETWORK = bytes((10, 77, 1, 0))
SIGNED = b"\x20\x14" + (256).to_bytes(4, "big") + b"\x5a" * 16
AAA = b"\x24\x01\x00\x14" + (2).to_bytes(4, "big") + b"\x6b" * 16
FOREIGN = b"\x21\x14" + (512).to_bytes(4, "big") + b"\x7c" * 16
FOREIGN_HOME = b"\x22\x14" + (768).to_bytes(4, "big") + b"\x8d" * 16

REQUEST = mip.RegistrationRequest(mip.FLAG_T, 600, HOME, AGENT, CARE_OF, 0x0123456789ABCDEF, [])
REPLY = mip.RegistrationReply(0, 600, HOME, AGENT, 0x0123456789ABCDEF, [])
REVOCATION = mip.Revocation(
    mip.REVOKED_BY_HOME_AGENT | mip.REVOCATION_INFORM, HOME, AGENT, CARE_OF, 0x5EED, []
)
ACKNOWLEDGMENT = mip.RevocationAcknowledgment(mip.ACKNOWLEDGMENT_INFORM, HOME, 0x5EED, [])

PLACE_OF = {
    mip.RegistrationRequest: ext.REQUEST,
    mip.RegistrationReply: ext.REPLY,
    mip.Revocation: ext.REVOCATION,
    mip.RevocationAcknowledgment: ext.ACKNOWLEDGMENT,
}
BEFORE, AFTER = "before the mobile-home authentication", "after it"
# extension, its octets, where it may stand
_NAI = ext.Nai(b"mn@example.net")
LAYOUTS = (
    (ext.UdpTunnelRequest(ext.UDP_FORCE, 4), "9006000080040000", (REQUEST,), (BEFORE, AFTER)),
    (ext.UdpTunnelReply(64, True, 110), "2c0600408000006e", (REPLY,), (BEFORE, AFTER)),
    (ext.AgentError(68), "2d020044", (REPLY,), (AFTER,)),
    (ext.NO_CHANGE, "2600000600007ed90001", (REQUEST, REPLY), (BEFORE, AFTER)),
    (ext.NormalVendor(32473, 2, b"\xab\xcd"), "860a000000007ed90002abcd", (REQUEST,), (BEFORE, AFTER)),
    (_NAI, "830e" + b"mn@example.net".hex(), (REQUEST, REPLY, REVOCATION), (BEFORE, AFTER)),
    (ext.CarriedNai(ext.HA_IDENTITY, b"ha@x"), "880501" + b"ha@x".hex(), (REPLY,), (BEFORE, AFTER)),
    (ext.EncapsulatingDelivery(), "8200", (REQUEST,), (AFTER,)),
    (ext.Challenge(b"\x01\x02\x03\x04"), "840401020304", (REQUEST, REPLY), (AFTER,)),
    (ext.RevocationSupport(True, 0x12345678), "8906800012345678", (REQUEST, REPLY), (BEFORE, AFTER)),
    (ext.DynamicHomeAgent(ext.HA_REQUESTED, AGENT), "8b010004c633640a", (REQUEST,), (BEFORE,)),
    (ext.DynamicHomeAgent(ext.HA_REDIRECTED, AGENT), "8b020004c633640a", (REPLY,), (BEFORE,)),
    (ext.MessageString(1, b"hello"), "9106016865" + "6c6c6f", (REPLY, REVOCATION), (BEFORE, AFTER)),
    (ext.MobileNetworkRequest(NETWORK, 24), "940600180a4d0100", (REQUEST,), (BEFORE,)),
    (ext.MobileNetworkReply(2, 3, NETWORK, 24), "9408020318000a4d0100", (REPLY,), (BEFORE,)),
    (ext.host_configuration(ext.HOST_DNS, AGENT * 2), "8612" "0000" "00000009" "000e" "0002" + "c633640a" * 2,
     (REPLY,), (BEFORE, AFTER)),
)  # fmt: skip


def with_extension(message, octets, place):
    bare = mip.pack(message)
    return bare + octets + SIGNED if place == BEFORE else bare + SIGNED + octets


def extensions_of(received, place):
    return received.message.extensions if place == BEFORE else received.unprotected


def refusal(data):
    try:
        mip.unpack(data)
    except Malformed as e:
        return type(e)
    return None


def test_each_is_laid_out_as_its_figure_and_read_back_where_it_is_legal():
    for extension, text, messages, places in LAYOUTS:
        octets = bytes.fromhex(text)
        assert ext.pack_extension(extension) == octets, extension
        for message in messages:
            for place in places:
                received = mip.unpack(with_extension(message, octets, place))
                assert extensions_of(received, place) == [extension], (extension, message, place)


def test_each_is_refused_where_it_is_not_legal():
    for extension, text, messages, places in LAYOUTS:
        octets = bytes.fromhex(text)
        for message in (REQUEST, REPLY, REVOCATION, ACKNOWLEDGMENT):
            for place in (BEFORE, AFTER):
                row = ext.BY_KIND[octets[0]]
                legal = row.legal & PLACE_OF[type(message)]
                legal = legal and row.legal & (ext.PROTECTED if place == BEFORE else ext.UNPROTECTED)
                told = refusal(with_extension(message, octets, place))
                assert (told is None) == bool(legal), (extension, message, place)
                assert legal or message not in messages or place not in places


def test_a_length_that_lies_is_never_believed():
    for extension, text, messages, _ in LAYOUTS:
        octets = bytes.fromhex(text)
        row = ext.BY_KIND[octets[0]]
        at = row.header - 1  # of the length's last octet
        size = len(octets) - row.header
        for length in list(range(size + 2)) + [255]:
            lying = octets[:at] + bytes((length,)) + octets[at + 1 :]
            told = refusal(mip.pack(messages[0]) + SIGNED + lying)
            assert length == size or told is not None or length < size, (extension, length)
            if length < row.size_min:
                assert told is not None, (extension, length)
        for cut in range(1, len(octets)):
            assert refusal(mip.pack(messages[0]) + SIGNED + octets[:cut]) is not None, (extension, cut)


def test_more_than_allowed_are_refused():
    for extension, text, messages, places in LAYOUTS:
        row = ext.BY_KIND[bytes.fromhex(text)[0]]
        for count, fine in ((row.at_most, True), (row.at_most + 1, False)):
            octets = bytes.fromhex(text) * count
            assert (refusal(with_extension(messages[0], octets, places[0])) is None) == fine, extension


def test_what_does_not_fit_is_not_packed():
    for extension in (
        ext.Nai(b""),
        ext.Nai(bytes(256)),
        ext.Challenge(b""),
        ext.MessageString(1, bytes(255)),
    ):
        try:
            ext.pack_extension(extension)
        except ValueError:
            continue
        assert False, extension


def test_unknown_sub_types():
    assert refusal(mip.pack(REQUEST) + SIGNED + b"\x24\x02" + AAA[2:]) is mip.Discard  # not skippable
    assert refusal(mip.pack(REPLY) + SIGNED + bytes.fromhex("2d020144")) is mip.Discard
    for skipped in ("8b030004c633640a", "8803037878", "9103036161", "940603180a4d0100"):
        data = with_extension(REPLY if skipped[0:2] != "94" else REQUEST, bytes.fromhex(skipped), BEFORE)
        assert mip.unpack(data).message.extensions == [], skipped


def test_a_request_on_its_way_through_a_foreign_agent():
    challenge = ext.pack_extension(ext.Challenge(b"fresh"))
    whole = mip.pack(REQUEST) + SIGNED + challenge + AAA + FOREIGN
    received = mip.unpack(whole)
    assert received.protected == whole[: 24 + 6]
    assert received.unprotected == [ext.Challenge(b"fresh")]
    assert received.aaa_authentication == ext.MobileAaaAuthentication(2, b"\x6b" * 16)
    assert received.aaa_protected + b"\x6b" * 16 == received.relayed == whole[: -len(FOREIGN)]
    assert received.agent_authentication == ext.MobileForeignAuthentication(512, b"\x7c" * 16)
    assert received.agent_protected == whole[:-16]
    # As the home agent gets it.
    received = mip.unpack(received.relayed + FOREIGN_HOME)
    assert received.agent_authentication == ext.ForeignHomeAuthentication(768, b"\x8d" * 16)
    assert received.authentication.spi == 256


def test_nothing_follows_what_signs_all_of_a_message():
    for last in (FOREIGN, FOREIGN_HOME):
        for more in (ext.pack_extension(ext.Challenge(b"late")), AAA, SIGNED, FOREIGN, FOREIGN_HOME):
            told = refusal(mip.pack(REQUEST) + SIGNED + last + more)
            assert told is Malformed or last == more == FOREIGN_HOME


def test_several_foreign_home_authentications_are_told_so_that_they_can_be_refused():
    for bare in (REQUEST, REPLY, REVOCATION, ACKNOWLEDGMENT):
        for count in (2, 3, mip.EXTENSIONS_MAX - 1):
            received = mip.unpack(mip.pack(bare) + SIGNED + FOREIGN_HOME * count)
            assert received.agent_authentication == ext.SeveralAuthentications(768), (bare, count)
            assert received.unprotected == [] and received.authentication.spi == 256
        assert refusal(mip.pack(bare) + SIGNED + FOREIGN_HOME * mip.EXTENSIONS_MAX) is Malformed
        for more in (ext.pack_extension(ext.NO_CHANGE), SIGNED, FOREIGN):
            assert refusal(mip.pack(bare) + SIGNED + FOREIGN_HOME * 2 + more) is Malformed


def test_what_a_foreign_agent_answers_itself_has_no_mobile_home_authentication():
    refused = mip.pack(REPLY) + ext.pack_extension(ext.Challenge(b"next")) + FOREIGN
    received = mip.unpack(refused)
    assert received.authentication is None and received.relayed == refused
    assert ext.find(received.unprotected, ext.Challenge) == ext.Challenge(b"next")
    assert received.agent_protected == refused[:-16]


def test_revocations_are_laid_out_as_in_rfc_3543():
    whole = mip.pack(REVOCATION)
    assert whole == bytes.fromhex("0700c0000a4d0002c633640ac000020200005eed")
    assert mip.unpack(whole).message == REVOCATION
    whole = mip.pack(ACKNOWLEDGMENT)
    assert whole == bytes.fromhex("0f0080000a4d000200005eed")
    assert mip.unpack(whole).message == ACKNOWLEDGMENT
    signed = mip.pack_to_sign(REVOCATION, 768, 16, ext.FOREIGN_HOME)
    received = mip.unpack(signed + b"\x8d" * 16)
    assert received.agent_protected == signed and received.agent_authentication.spi == 768


def test_host_configuration_is_found_by_sub_type():
    items = [
        ext.host_configuration(ext.HOST_PREFIX_LENGTH, b"\x00\x18"),
        ext.host_configuration(7, b"http://x/"),
    ]
    items += [
        ext.host_configuration(7, b"again"),
        ext.NormalVendor(9, 14, b"\x01"),
        ext.NormalVendor(9, 15, b"12"),
    ]
    assert ext.host_configuration_of(items) == {1: b"\x00\x18", 7: b"http://x/"}


if __name__ == "__main__":
    from runner import main

    main(globals())
