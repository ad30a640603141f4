"""What each uplink is attached to right now, and whether that is a network that was met before.

    careof facts wlan0 ssid=Cafe bssid=02:00:5e:10:00:01 gateway_mac=02:00:5e:10:00:02

The kernel does not know an access point's name or what a DHCP server said; scripts that know it say it
(packaging: from netifd, iwinfo and ModemManager on OpenWrt). All facts of a device are said at once, and take
the place of those before; with its carrier they go. A network is recognised by what stays the same from visit
to visit: a modem's APN, a wireless LAN's SSID, elsewhere the gateway's MAC.

A fact is what somebody near says of himself: it may order what is tried, and proves nothing.
"""

NETWORKS_MAX = 64  # that are remembered; the one that was left longest ago is forgotten


def _mac(text):
    parts = text.split(":")
    shaped = len(parts) == 6 and all([len(part) == 2 for part in parts])
    return shaped and all([c in "0123456789abcdefABCDEF" for c in "".join(parts)])


def _visible(size_max, blanks=False):
    """Printable text of so many octets at most."""

    def check(text):
        least = " " if blanks else "!"
        return 1 <= len(text.encode()) <= size_max and all([c >= least and c != "\x7f" for c in text])

    return check


# name -> (what is expected, is it that?)
FACTS = {
    "ssid": ("a name of 1 to 32 octets", _visible(32, True)),
    "bssid": ("a MAC address", _mac),
    "apn": ("an access point name of at most 100 octets", _visible(100)),
    "bearer": ("a bearer's name of at most 64 octets", _visible(64)),
    "gateway_mac": ("a MAC address", _mac),
    "portal": ("a URL of at most 255 octets (RFC 8910)", _visible(255)),
    "proxy": ("a URL of at most 255 octets (DHCP option 252)", _visible(255)),
}
# What a network is recognised by: the first that is known.
NAMED_BY = ("apn", "ssid", "gateway_mac")


def read(words):
    """{name: value} of NAME=VALUE words. Raises ValueError that says what was expected."""
    facts = {}
    for word in words:
        name, equals, value = word.partition("=")
        if name not in FACTS or not equals:
            raise ValueError("'%s': expected NAME=VALUE with one of %s" % (word, ", ".join(sorted(FACTS))))
        if name in facts:
            raise ValueError("%s: there is one already" % name)
        expected, check = FACTS[name]
        if not check(value):
            raise ValueError("%s '%s': expected %s" % (name, value, expected))
        facts[name] = value.lower() if check is _mac else value
    return facts


class _Attached:
    def __init__(self, facts, since_ms):
        self.facts, self.since_ms = facts, since_ms


class Networks:
    """Of one careofd."""

    def __init__(self):
        self._attached = {}  # device -> _Attached
        self._visits = {}  # name of a network -> how often an uplink came to it
        self._order = []  # those names, the one that was met last at the end

    def told(self, device, facts, now_ms):
        """Its facts now. Returns the network's name if it is another one than before, or None."""
        before = self.name_of(device)
        if not facts:
            self.left(device)
            return None
        old = self._attached.get(device)
        name = _name(facts)
        same = old is not None and name == before
        self._attached[device] = _Attached(facts, old.since_ms if same else now_ms)
        if same or name is None:
            return None
        self._met(name)
        return name

    def left(self, device):
        self._attached.pop(device, None)

    def keep_only(self, devices):
        """These matter from now on."""
        for device in [d for d in self._attached if d not in devices]:
            self.left(device)

    def name_of(self, device):
        attached = self._attached.get(device)
        return _name(attached.facts) if attached is not None else None

    def snapshot(self, now_ms):
        """{device: what status shows}"""
        shown = {}
        for device in self._attached:
            attached, name = self._attached[device], self.name_of(device)
            shown[device] = {
                "network": name,
                "visits": self._visits.get(name, 0),
                "since_s": (now_ms - attached.since_ms) // 1000,
                "facts": attached.facts,
            }
        return shown

    def _met(self, name):
        self._visits[name] = self._visits.get(name, 0) + 1
        if name in self._order:
            self._order.remove(name)
        self._order.append(name)
        if len(self._order) > NETWORKS_MAX:
            del self._visits[self._order.pop(0)]


def _name(facts):
    for fact in NAMED_BY:
        if fact in facts:
            return "%s %s" % (fact, facts[fact])
    return None
