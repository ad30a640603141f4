"""Link, address and route events of the kernel, by netlink: what each device is attached to right now.

At the start, and when the kernel says that it lost events (ENOBUFS), everything is dumped; from then on
events keep the picture up to date. For each watched device whose picture changed, `changed(device,
carrier, address, prefix_length, gateway)` is called, once for all that one datagram said.

A carrier that went and came back at once may be one event of the kernel, which shows it as it is by then; the
count of such times says that it was away. Then `changed` is called twice.
"""

from ..wire import ipv4, netlink
from ..wire.reader import Malformed
from . import sockets

DATAGRAM_MAX = 16384  # a dump's datagrams are as long as who reads them takes, and one event's 8192 at most
TURN_MAX = 16  # datagrams read before others have their turn
DUMPS = (netlink.ASK_LINK, netlink.ASK_ADDRESS, netlink.ASK_ROUTE)


def _is_on(pair, gateway):
    """Is it in the network of this address?"""
    return ipv4.covers((ipv4.masked(pair[0], pair[1]), pair[1]), gateway)


class _Device:
    def __init__(self):
        self.index = None
        self.carrier = False
        self.downs = 0  # how often it went
        self.addresses = []  # (address, prefix_length), in the kernel's order
        self.gateways = {}  # metric -> gateway or None

    def lost(self, pair):
        """With an address the kernel forgets the routes that need it, without a word for each."""
        for metric, gateway in list(self.gateways.items()):
            needs = gateway is not None and _is_on(pair, gateway)
            if not self.addresses or (needs and not any([_is_on(p, gateway) for p in self.addresses])):
                del self.gateways[metric]


class Links:
    """The picture of the devices that somebody asked for."""

    def __init__(self, loop, changed, count):
        self._loop = loop
        self._changed = changed
        self._count = count
        self._names = {}  # index -> device name, of all devices
        self._devices = {}  # index -> _Device, of all: an address may be heard of before a name
        self._told = {}  # watched device name -> what was told last
        self._downs = {}  # watched device name -> how often its carrier had gone then
        self._buffer = bytearray(DATAGRAM_MAX)
        self._pending = []  # dumps still to be asked for, one at a time as netlink wants it
        self._dumping = False  # until the last of them is in: nothing is told of half a picture
        self._sequence = 0
        self._socket = sockets.netlink(netlink.bind_address())
        loop.watch(self._socket, self._readable)

    def watch(self, names):
        """These devices matter from now on; each is told at once or as soon as the dump is in."""
        for name in names:
            self._told.setdefault(name, None)
        for name in [n for n in self._told if n not in names]:
            del self._told[name]
        self._dump()

    def close(self):
        self._loop.forget(self._socket)
        self._socket.close()

    def _dump(self):
        self._pending = list(DUMPS)
        self._devices = {}
        self._dumping = True
        self._ask_next()

    def _ask_next(self):
        self._sequence += 1
        self._socket.send(netlink.ask(self._pending.pop(0), self._sequence))

    def _readable(self):
        view = memoryview(self._buffer)
        for _ in range(TURN_MAX):
            try:
                size = sockets.receive_into(self._socket, self._buffer)
            except OSError as e:
                if e.errno != sockets.ENOBUFS:
                    raise
                self._count("netlink_overrun")
                self._dump()
                continue
            if size is sockets.WOULD_BLOCK:
                break
            try:
                for message in netlink.unpack(view[:size]):
                    self._take(message)
            except Malformed:
                self._count("netlink_malformed")
        if not self._dumping:
            self._tell()

    def _take(self, message):
        if isinstance(message, netlink.Done):
            if message.sequence == self._sequence:
                if self._pending:
                    self._ask_next()
                else:
                    self._dumping = False
                    self._sequence += 1  # this dump is over: a late Done means nothing any more
            return
        device = self._devices.setdefault(message.index, _Device())
        if isinstance(message, netlink.Link):
            self._take_link(device, message)
        elif isinstance(message, netlink.Address):
            pair = (message.address, message.prefix_length)
            if pair in device.addresses:
                device.addresses.remove(pair)
            if message.present and message.scope == netlink.SCOPE_UNIVERSE:
                device.addresses.append(pair)
            elif not message.present:
                device.lost(pair)
        elif message.present:
            device.gateways[message.metric] = message.gateway
        elif device.gateways.get(message.metric, -1) == message.gateway:
            del device.gateways[message.metric]

    def _take_link(self, device, message):
        if message.present:
            self._names[message.index] = message.name
            device.carrier, device.downs = message.carrier, message.downs
            if not message.up:
                # The kernel forgets the routes of a device that was set down without a word for each.
                device.gateways = {}
        else:
            self._names.pop(message.index, None)
            self._devices.pop(message.index, None)

    def _tell(self):
        by_name = {name: index for index, name in self._names.items()}
        for name, told in list(self._told.items()):
            index = by_name.get(name)
            picture, downs = self._picture(index), self._devices[index].downs if index in self._devices else 0
            if told is not None and told[0] and picture[0] and downs != self._downs.get(name):
                told = None
                self._changed(name, False, *picture[1:])
            self._downs[name] = downs
            if picture != told:
                self._told[name] = picture
                self._changed(name, *picture)

    def _picture(self, index):
        device = self._devices.get(index)
        if index is None or device is None:
            return False, None, 0, None
        address, prefix_length = device.addresses[0] if device.addresses else (None, 0)
        gateway = device.gateways[min(device.gateways)] if device.gateways else None
        return device.carrier, address, prefix_length, gateway
