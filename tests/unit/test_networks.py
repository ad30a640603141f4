"""Uplink facts: what may be said, and networks that are recognised again."""

from careof.system import networks

CAFE = {"ssid": "Cafe 1", "bssid": "02:00:5e:10:00:01", "gateway_mac": "02:00:5e:10:00:02"}


def mistake_of(*words):
    try:
        networks.read(words)
    except ValueError as e:
        return str(e)
    return None


def test_facts_are_read():
    words = ["ssid=Cafe 1", "bssid=02:00:5E:10:00:01", "gateway_mac=02:00:5e:10:00:02"]
    assert networks.read(words) == CAFE
    assert networks.read(["ssid=a=b"]) == {"ssid": "a=b"}
    assert networks.read([]) == {}


def test_what_is_no_fact_is_refused():
    known = "apn, bearer, bssid, gateway_mac, portal, proxy, ssid"
    assert mistake_of("colour=red") == "'colour=red': expected NAME=VALUE with one of " + known
    assert mistake_of("ssid") == "'ssid': expected NAME=VALUE with one of " + known
    assert mistake_of("ssid=a", "ssid=b") == "ssid: there is one already"
    assert mistake_of("bssid=02:00") == "bssid '02:00': expected a MAC address"
    assert mistake_of("bssid=02:00:5e:10:00:0g").endswith("expected a MAC address")
    assert mistake_of("bssid=0200:5e:10:00:01:").endswith("expected a MAC address") is True
    for word in (
        "ssid=",
        "ssid=" + "x" * 33,
        "ssid=a\nb",
        "apn=a b",
        "portal=" + "x" * 256,
        "bearer=\x1b[2J",
    ):
        assert "expected" in mistake_of(word)


def test_a_network_is_recognised_on_a_return_visit():
    known = networks.Networks()
    assert known.told("wlan0", CAFE, 1000) == "ssid Cafe 1"
    assert (
        known.told("wlan0", dict(CAFE, bssid="02:00:5e:10:00:09"), 5000) is None
    )  # another access point of it
    assert known.told("wlan0", {"ssid": "Office"}, 6000) == "ssid Office"
    known.left("wlan0")
    assert known.snapshot(7000) == {}
    assert known.told("wlan0", CAFE, 8000) == "ssid Cafe 1"
    assert known.snapshot(10000) == {
        "wlan0": {"network": "ssid Cafe 1", "visits": 2, "since_s": 2, "facts": CAFE}
    }


def test_the_strongest_fact_names_a_network():
    known = networks.Networks()
    assert known.told("wan", {"gateway_mac": "02:00:5e:10:00:02"}, 0) == "gateway_mac 02:00:5e:10:00:02"
    assert known.told("wwan0", {"apn": "internet", "bearer": "3"}, 0) == "apn internet"
    assert known.told("eth1", {"portal": "https://portal.example/"}, 0) is None
    assert known.snapshot(0)["eth1"]["network"] is None
    known.keep_only(["wan"])
    assert list(known.snapshot(0)) == ["wan"]


def test_what_is_remembered_is_bounded():
    known = networks.Networks()
    for number in range(networks.NETWORKS_MAX + 1):
        known.told("wlan0", {"ssid": "n%d" % number}, 0)
    known.told("wlan0", {"ssid": "n0"}, 0)
    assert known.snapshot(0)["wlan0"]["visits"] == 1  # it was forgotten
    known.told("wlan0", {"ssid": "n2"}, 0)
    assert known.snapshot(0)["wlan0"]["visits"] == 2
    assert len(known._visits) == networks.NETWORKS_MAX


if __name__ == "__main__":
    from runner import main

    main(globals())
