"""Which encapsulation a mobile node asks for, and what it falls back to (RFC 5944 3.3, RFC 3519 3.1).

    wanted     as configured: minimal (M), GRE (G), or neither, which is IP in IP
    offered    what the foreign agent says that it can do (2.1.1); everything, by an address of our own
    refused    by either agent (72, 139) or in UDP (142): whatever the home agent has in UDP, then IP in IP,
               for as long as the attachment stays

There is no minimal encapsulation in UDP (RFC 3519 3.3): with an address of our own IP in IP is named for it.
"""

from ..wire import mip, mip_extensions
from .kinds import kind_of, udp_kind_of

ALL = mip.FLAG_M | mip.FLAG_G
NOT_IN_UDP = 142


class Encapsulation:
    """What one registration asks for. wanted: FLAG_M, FLAG_G or 0."""

    def __init__(self, wanted, offered=ALL):
        self.wanted, self.offered = wanted & ALL, offered
        self.plain = False  # everything else was refused here
        self._any_in_udp = False

    def flags(self):
        """Of the request."""
        return 0 if self.plain else self.wanted & self.offered

    def in_udp(self):
        """What a UDP Tunnel Request names."""
        if self._any_in_udp:
            return mip_extensions.ENCAPSULATION_ANY
        gre = self.flags() & mip.FLAG_G
        return mip_extensions.ENCAPSULATION_GRE if gre else mip_extensions.ENCAPSULATION_IPIP

    def kind(self, udp):
        """tunneld's, of a tunnel of our own that was granted."""
        if not udp:
            return kind_of(self.flags())
        return udp_kind_of(self.flags() & mip.FLAG_G)

    def refused(self, code, through_agent):
        """Is there another one to ask for?"""
        if code == NOT_IN_UDP and not through_agent and not self._any_in_udp:
            self._any_in_udp = True
            return True
        another = self.flags() != 0
        self.plain = True
        return another
