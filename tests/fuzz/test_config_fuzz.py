"""Any text as a configuration: read, or refused with its place; and a change leaves all else as it was."""

import json

from careof.system import options, uci
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

settings.register_profile("smoke", max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("smoke")

NAMES = st.text("abcxyz_019", min_size=1, max_size=8)
VALUES = st.text(st.characters(blacklist_characters="\r\n\0", blacklist_categories=("Cs",)), max_size=20)
KINDS = ("globals", "mobile_router", "uplink", "association", "home_agent", "mobile_node", "else")
OPTIONS = (
    *("home_address", "home_agent", "contact", "lifetime_s", "uplink", "association", "device", "preference"),
    *(
        "spi",
        "key",
        "algorithm",
        "replay",
        "address",
        "mobile_network",
        "packet_size",
        "log_level",
        "nonsense",
    ),
    *("nai", "address_pool", "redirect", "network_mode", "home_prefix_length", "dns_server", "dns_suffix"),
    *("message_accepted", "configuration_url", "host_configuration", "attachment"),
)
LIKELY = st.one_of(
    VALUES,
    st.sampled_from(
        (
            *("10.77.0.2", "10.77.1.0/24", "198.51.100.10:434", "wan", "256", "0", "1", "00" * 16, "nonces"),
            *("branch7@example.net", "10.80.0.0/24", "explicit", "implicit", "24", "example.net", "agent"),
            "https://example.net/",
        )
    ),
)


def line(word, name, value):
    return f"\t{word} {name} {uci.quoted(value)}"


LINES = st.one_of(
    st.builds(lambda kind, name: f"config {kind} '{name}'", st.sampled_from(KINDS), NAMES),
    st.builds(line, st.sampled_from(("option", "list")), st.sampled_from(OPTIONS), LIKELY),
    st.sampled_from(("", "# a comment", "package careof")),
    st.text(max_size=30),
)
FILES = st.lists(LINES, max_size=25).map(lambda lines: "\n".join(lines) + "\n")


def parsed(text):
    try:
        return uci.Document(text, "careof")
    except uci.UciError as e:
        assert str(e).startswith("careof:%d: " % e.line) and 1 <= e.line <= text.count("\n") + 1
        return None


@given(st.one_of(st.text(max_size=300), FILES))
def test_any_text_is_read_or_refused_with_its_place(text):
    document = parsed(text)
    if document is not None:
        assert document.text() == text


@given(FILES)
def test_any_configuration_is_usable_or_every_mistake_has_its_place(text):
    document = parsed(text)
    if document is None:
        return
    try:
        configuration = options.read(document)
    except options.ConfigError as e:
        assert e.messages and all(message.startswith("careof:") for message in e.messages)
        return
    options.routers(configuration), options.agents(configuration), options.devices(configuration)


def all_but(document, name):
    """Everything that a document says, but for the options of that name."""
    return [
        (section.kind, section.name, [(e.name, e.value) for e in section.entries if e.name != name])
        for section in document.sections
    ]


def comments(text):
    return [part for part in text.split("\n") if part.lstrip().startswith("#")]


@given(FILES, NAMES, VALUES)
def test_what_is_set_is_read_back_and_the_rest_stays(text, name, value):
    document = parsed(text)
    if document is None or not document.sections:
        return
    others, remarks = all_but(document, name), comments(text)
    document.set_option(document.sections[0], name, value)
    again = uci.Document(document.text(), "careof")
    assert [entry.value for entry in again.sections[0].all(name)] == [value]
    assert (others, remarks) == (all_but(again, name), comments(document.text()))
    document.delete(document.sections[0], name)
    assert uci.Document(document.text(), "careof").sections[0].all(name) == []


JSON = st.recursive(st.none() | st.text() | st.integers(), st.lists).map(
    lambda value: json.dumps(value).encode()
)


@given(st.one_of(st.binary(max_size=200), JSON))
def test_any_line_at_the_status_socket(data):
    import test_commands

    world = test_commands.World()
    replies = world.ask(data.replace(b"\n", b"") + b"\n")
    assert len(replies) <= 1
    assert world.ask(b'{"command": "control"}\n') == [{"answer": {"name": "control"}}]
