"""What is asked of a key provider (DESIGN section 2): keys go in once, and only names come out.

A provider in this process (soft) has

    add_key(name, algorithm, secret)         replaces the key of that name; ValueError says what is wrong
    drop_key(name)
    authenticate(name, data) -> octets       the authenticator of the data
    verify(name, data, authenticator) -> is it that? in a time that does not depend on where they differ

KeyError if there is no key of that name. One in another process (system/keyd) is given all keys at once, as
a HandedKeys collects them, and is told what to do with the answer, which is None where there is no key:

    set_keys(handed)                             a HandedKeys
    authenticate(name, data, then)
    verify(name, data, authenticator, then)

Roles do not notice which it is: they ask with the action Authenticate or Verify, and are told by an event.
"""

from collections import namedtuple

# authenticator_size, secret_size_min: octets. No key shorter than 16: RFC 5944 5.1 wants 128 bits.
Algorithm = namedtuple("Algorithm", "name hash authenticator_size secret_size_min")
ALGORITHMS = {
    "hmac-md5": Algorithm("hmac-md5", "md5", 16, 16),  # RFC 5944 5.1: the default
    "hmac-sha1": Algorithm("hmac-sha1", "sha1", 20, 16),
    "hmac-sha256": Algorithm("hmac-sha256", "sha256", 32, 16),
}


def check(name, algorithm, secret):
    """The row of the algorithm. Raises ValueError for a key that will not do; its text has nothing of it."""
    row = ALGORITHMS.get(algorithm)
    if row is None:
        raise ValueError("key %s: no algorithm %s" % (name, algorithm))
    if len(secret) < row.secret_size_min:
        raise ValueError("key %s: %d octets, at least %d" % (name, len(secret), row.secret_size_min))
    return row


class HandedKeys:
    """Keys on their way to a provider in another process."""

    def __init__(self):
        self.keys = {}

    def add_key(self, name, algorithm, secret):
        """Raises ValueError for one that will not do."""
        check(name, algorithm, secret)
        self.keys[name] = (algorithm, bytes(secret))
