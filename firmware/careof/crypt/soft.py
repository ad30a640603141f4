"""The key provider in this process: HMAC (RFC 2104) over hashlib, the same on both interpreters.

    HMAC(K, data) = H(K ^ opad, H(K ^ ipad, data))

Both padded blocks are made when the key comes in, so an authenticator costs two calls of the hash.
"""

import hashlib

from . import check

BLOCK_SIZE = 64  # of MD5, SHA-1 and SHA-256 alike
_INNER, _OUTER = 0x36, 0x5C


def _compared(one, other):
    """Are they the same? In a time that does not depend on where they differ."""
    differ = len(one) ^ len(other)
    for left, right in zip(one, other):
        differ |= left ^ right
    return differ == 0


try:
    from hmac import compare_digest

    _same = compare_digest
except ImportError:  # MicroPython
    _same = _compared


class _Key:
    """One secret, ready for use. It has no text form that shows it."""

    __slots__ = ("algorithm", "hash", "inner", "outer")

    def __init__(self, algorithm, hash_, secret):
        if len(secret) > BLOCK_SIZE:
            secret = hash_(secret).digest()
        block = secret + bytes(BLOCK_SIZE - len(secret))
        self.algorithm = algorithm
        self.hash = hash_
        self.inner = bytes([octet ^ _INNER for octet in block])
        self.outer = bytes([octet ^ _OUTER for octet in block])

    def __repr__(self):
        return "<key for %s>" % self.algorithm.name


class SoftProvider:
    """Keys in this process's memory: for tests, the simulator and a router without keyd."""

    def __init__(self):
        self._keys = {}

    def add_key(self, name, algorithm, secret):
        """Take a secret (bytes) for one algorithm. Raises ValueError for one that will not do."""
        row = check(name, algorithm, secret)
        hash_ = getattr(hashlib, row.hash, None)
        if hash_ is None:  # MicroPython built without a TLS library has no MD5
            raise ValueError(
                "key %s: %s: this interpreter has no %s: expected another algorithm, or key_provider keyd"
                % (name, algorithm, row.hash)
            )
        self._keys[name] = _Key(row, hash_, bytes(secret))

    def drop_key(self, name):
        """Forget a key."""
        del self._keys[name]

    def authenticate(self, name, data):
        """The authenticator of some octets."""
        key = self._keys[name]
        hash_ = key.hash
        return hash_(key.outer + hash_(key.inner + data).digest()).digest()

    def verify(self, name, data, authenticator):
        """Is this the authenticator of those octets?"""
        return _same(self.authenticate(name, data), authenticator)
