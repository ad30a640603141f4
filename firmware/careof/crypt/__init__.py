"""What is asked of a key provider (DESIGN section 2): keys go in once, and only names come out.

A provider has

    add_key(name, algorithm, secret)         replaces the key of that name; ValueError says what is wrong
    drop_key(name)
    authenticate(name, data) -> octets       the authenticator of the data
    verify(name, data, authenticator) -> is it that? in a time that does not depend on where they differ

KeyError if there is no key of that name. `soft` does it in this process; roles do not notice, since
they ask with the action Authenticate or Verify and are told by an event.
"""

from collections import namedtuple

# authenticator_size, secret_size_min: octets. No key shorter than 16: RFC 5944 5.1 wants 128 bits.
Algorithm = namedtuple("Algorithm", "name hash authenticator_size secret_size_min")
ALGORITHMS = {
    "hmac-md5": Algorithm("hmac-md5", "md5", 16, 16),  # RFC 5944 5.1: the default
    "hmac-sha256": Algorithm("hmac-sha256", "sha256", 32, 16),
}
