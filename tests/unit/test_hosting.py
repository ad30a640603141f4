"""Host configuration and words as a node takes them: nothing that does not look like what it says it is."""

from careof.proto import hosting
from careof.wire import ipv4, mip, mip_extensions
from careof.wire.mip_extensions import (
    HOST_DNS,
    HOST_DNS_SUFFIX,
    HOST_GATEWAY,
    HOST_PREFIX_LENGTH,
    HOST_URL,
    MESSAGE_FROM_FOREIGN_AGENT,
    MESSAGE_FROM_HOME_AGENT,
    MessageString,
    host_configuration,
)

DNS, OTHER_DNS, THIRD_DNS = (bytes((10, 1, n, 53)) for n in range(3))
GATEWAY = bytes((10, 80, 0, 1))


def told(**items):
    kinds = {
        "length": HOST_PREFIX_LENGTH,
        "dns": HOST_DNS,
        "gateway": HOST_GATEWAY,
        "suffix": HOST_DNS_SUFFIX,
        "url": HOST_URL,
    }
    return hosting.read([host_configuration(kinds[name], value) for name, value in items.items()])


def test_what_a_home_agent_tells_of_home():
    host = told(
        length=b"\x00\x1c", dns=DNS + OTHER_DNS, gateway=GATEWAY, suffix=b"A.example", url=b"https://a/b"
    )
    assert host == hosting.Host(28, GATEWAY, (DNS, OTHER_DNS), "A.example", "https://a/b")
    assert hosting.shown(host) == {
        "prefix_length": 28,
        "gateway": "10.80.0.1",
        "dns_servers": ["10.1.0.53", "10.1.1.53"],
        "dns_suffix": "A.example",
        "url": "https://a/b",
    }
    assert hosting.restored(hosting.saved(host)) == host
    assert told() == hosting.NOTHING and hosting.restored(hosting.saved(hosting.NOTHING)) == hosting.NOTHING
    assert told(length=b"\x1c").prefix_length == 28  # one octet, as 3 has it in words


def test_lengths_that_lie_and_values_that_are_none():
    assert told(length=b"").prefix_length is None and told(length=b"\x00\x21").prefix_length is None
    assert told(length=b"\x1c\x00\x00").prefix_length is None
    assert told(dns=DNS[:3]).dns_servers == () and told(dns=DNS + OTHER_DNS[:1]).dns_servers == (DNS,)
    assert told(dns=DNS + OTHER_DNS + THIRD_DNS).dns_servers == (DNS, OTHER_DNS)
    for wrong in ("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"):
        address = ipv4.parse_address(wrong)
        assert told(dns=address).dns_servers == () and told(gateway=address).gateway is None
    assert told(gateway=GATEWAY + b"\x00").gateway is None
    short = mip_extensions.NormalVendor(mip_extensions.CISCO, 14, b"\x00")
    assert hosting.read([short]) == hosting.NOTHING


def test_nothing_is_smuggled_into_a_file():
    for wrong in (
        b"a.example\nnameserver 10.6.6.6",
        b"a example",
        b"",
        b"\xff\xfe",
        b"a.ex\xc3\xa4mple",
        b"a;b",
    ):
        assert told(suffix=wrong).dns_suffix is None, wrong
    for wrong in (b"ftp://a", b"javascript:1", b"https://a b", b"https://a/\x1b[2J", b"https://a\n"):
        assert told(url=wrong).url is None, wrong


def test_words_are_text_without_controls():
    assert hosting.words("Grüße, Zürich".encode()) == "Grüße, Zürich"
    assert hosting.words(b"\x1b[2J\x07pay\r\nnow\x00") == "?[2J?pay??now?"
    assert hosting.words("\u009b31m".encode()) == "?31m"
    for wrong in (b"\xff", b"\xc3", b"\xed\xa0"):
        assert hosting.words(b"ok " + wrong) == "ok " + "?" * len(wrong), wrong


def test_who_says_it():
    both = [
        MessageString(MESSAGE_FROM_FOREIGN_AGENT, b"cafe"),
        MessageString(MESSAGE_FROM_HOME_AGENT, b"hello"),
    ]
    assert hosting.said(both, MESSAGE_FROM_HOME_AGENT) == "hello"
    assert hosting.said(both, MESSAGE_FROM_FOREIGN_AGENT) == "cafe"
    assert hosting.said([], MESSAGE_FROM_HOME_AGENT) is None


def test_the_longest_of_each_fits_into_a_message():
    text = "ü" * 127
    longest = [
        MessageString(1, text.encode()),
        host_configuration(HOST_DNS_SUFFIX, b"a" * 245),
        host_configuration(HOST_URL, b"https://" + b"a" * 237),
    ]
    reply = mip.RegistrationReply(0, 600, GATEWAY, DNS, 1, longest)
    assert mip.unpack(mip.pack(reply)).message == reply
    assert hosting.said(longest, 1) == text and hosting.read(longest).dns_suffix == "a" * 245


if __name__ == "__main__":
    from runner import main

    main(globals())
