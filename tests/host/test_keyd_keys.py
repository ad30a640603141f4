"""careof-keyd's keys and questions: of every algorithm, added by its client, and of its file.

What is a forgery here has its control: the genuine one beside it is answered otherwise."""

import errno
import random

import pytest
from careof.wire import keyd as wire
from keyd_process import BINARY, Keyd, cannot_run, hmac_of

WHY_NOT = cannot_run()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))
KEY = bytes(range(32))
BACKENDS = {
    path.name: path
    for path in (BINARY, BINARY.with_name("careof-keyd-mbedtls"), BINARY.with_name("careof-keyd-openssl"))
    if path.exists()
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_authenticators_of_every_algorithm(backend):
    keyd = Keyd(binary=BACKENDS[backend]).start()
    client = keyd.client()
    for name, number in wire.ALGORITHMS.items():
        for key in (KEY[:16], KEY, KEY * 2):
            client.send(wire.AddKey("key", number, key))
            for size in (0, 1, 63, 64, 65, 200, 4000):
                data = random.randbytes(size)
                right = hmac_of(name, key, data)
                told = client.ask(wire.Authenticate(size, "key", data), wire.Authenticated)
                assert told == wire.Authenticated(size, right)
                assert client.ask(wire.Verify(9, "key", right, data), wire.Verified).genuine == 1
                wrong = [right[:-1], right + b"\0", b"", bytes(len(right))]
                wrong += [right[:i] + bytes([right[i] ^ 1]) + right[i + 1 :] for i in (0, len(right) - 1)]
                for forged in wrong:
                    assert client.ask(wire.Verify(9, "key", forged, data), wire.Verified).genuine == 0
                assert client.ask(wire.Verify(9, "key", right, data + b"\0"), wire.Verified).genuine == 0
    keyd.remove()


def test_many_questions_in_one_datagram(keyd):
    client = keyd.client()
    client.send(wire.AddKey("key", wire.ALGORITHM_HMAC_MD5, KEY))
    client.send(*[wire.Authenticate(token, "key", b"%d" % token) for token in range(500)])
    for token in range(500):
        right = hmac_of("hmac-md5", KEY, b"%d" % token)
        assert client.wait_for(wire.Authenticated) == wire.Authenticated(token, right)


def test_a_key_that_is_not_there(keyd):
    client = keyd.client()
    assert client.ask(wire.Verify(5, "key", bytes(32), b""), wire.NoKey).token == 5
    assert client.ask(wire.Authenticate(6, "key", b""), wire.NoKey).token == 6
    client.send(wire.AddKey("key", wire.ALGORITHM_HMAC_SHA256, KEY))
    assert client.ask(wire.Authenticate(7, "key", b""), wire.Authenticated).token == 7
    client.send(wire.DropKey("key"))
    assert client.ask(wire.Authenticate(8, "key", b""), wire.NoKey).token == 8
    assert client.ask(wire.DropKey("key"), wire.Done).error == errno.ENOENT


def test_keys_that_will_not_do(keyd):
    client = keyd.client()
    for algorithm, key in ((0, KEY), (6, KEY), (255, KEY), (3, KEY[:15]), (3, KEY * 2 + b"\0"), (3, b"")):
        number = client.send(wire.AddKey("key", algorithm, key))
        done = client.wait_for(wire.Done)
        assert done.of_number == number and done.error == errno.EINVAL and b"key 'key'" in done.text
        assert client.ask(wire.Authenticate(1, "key", b""), wire.NoKey)


def test_added_keys_go_with_the_connection(keyd):
    client = keyd.client()
    client.send(wire.AddKey("key", wire.ALGORITHM_HMAC_SHA256, KEY))
    assert client.ask(wire.Authenticate(1, "key", b""), wire.Authenticated)
    client.close()
    assert keyd.client().ask(wire.Authenticate(1, "key", b""), wire.NoKey)


LINES = """# keys of nodes
node-10.77.0.2-256 hmac-sha256 000102030405060708090a0b0c0d0e0f

\tnode-10.77.0.3-256\thmac-md5   000102030405060708090A0B0C0D0E0F   # with a comment
key hmac-sha1 0f0e0d0c0b0a09080706050403020100
"""


def test_keys_of_the_file(keyd):
    keyd.stop()
    keyd.write_keys(LINES)
    client = keyd.start().client()
    assert client.hello().keys_of_file == 3
    for name, algorithm, key in (
        ("node-10.77.0.2-256", "hmac-sha256", KEY[:16]),
        ("node-10.77.0.3-256", "hmac-md5", KEY[:16]),
        ("key", "hmac-sha1", KEY[:16][::-1]),
    ):
        told = client.ask(wire.Authenticate(1, name, b"data"), wire.Authenticated)
        assert told.authenticator == hmac_of(algorithm, key, b"data")
    # One that is added goes before one of the file, and gives way again.
    client.send(wire.AddKey("key", wire.ALGORITHM_HMAC_MD5, KEY))
    told = client.ask(wire.Authenticate(1, "key", b"data"), wire.Authenticated)
    assert told.authenticator == hmac_of("hmac-md5", KEY, b"data")
    client.send(wire.DropKey("key"))
    told = client.ask(wire.Authenticate(1, "key", b"data"), wire.Authenticated)
    assert told.authenticator == hmac_of("hmac-sha1", KEY[:16][::-1], b"data")


MISTAKES = {
    "name": "expected a name, an algorithm and a key",
    "name hmac-md5": "expected a name, an algorithm and a key",
    "name hmac-md5 %s more" % KEY.hex(): "expected a name, an algorithm and a key",
    "name hmac-md4 %s" % KEY.hex(): "expected one of hmac-md5, hmac-sha1, hmac-sha256",
    "name hmac-md5 %s" % KEY[:15].hex(): "key of 30 characters: expected 32 to 128 hexadecimal digits",
    "name hmac-md5 %sf" % KEY.hex(): "key of 65 characters",
    "name hmac-md5 %sxx" % KEY.hex(): "key of 66 characters",
    "%s hmac-md5 %s" % ("n" * 64, KEY.hex()): "a name of 64 characters",
    "n\0me hmac-md5 %s" % KEY.hex(): "a name of 4 characters",
    "key hmac-md5 %s" % KEY.hex(): "'key': there is one already",
    "#" * 1025: "longer than 1024 octets",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_file_leaves_the_keys_as_they_were(keyd, mistake):
    keyd.stop()
    keyd.write_keys(LINES)
    client = keyd.start().client()
    keyd.write_keys("other hmac-md5 %s\n%s%s\n" % (KEY.hex(), LINES, mistake))
    number = client.send(wire.LoadKeys())
    done = client.wait_for(wire.Done)
    assert done.of_number == number and done.error and b"keys:7: " in done.text
    assert MISTAKES[mistake].encode() in done.text, done
    assert KEY.hex()[:20] not in keyd.log() and KEY.hex()[:20].encode() not in done.text
    assert client.ask(wire.Authenticate(1, "key", b""), wire.Authenticated)
    assert client.ask(wire.Authenticate(1, "other", b""), wire.NoKey)
    # The control: without the mistake the same file is taken.
    keyd.write_keys("other hmac-md5 %s\n%s" % (KEY.hex(), LINES))
    assert client.ask(wire.LoadKeys(), wire.Done) == wire.Done(client.number, 0, b"4 keys")
    assert client.ask(wire.Authenticate(1, "other", b""), wire.Authenticated)
    # At the start there are no keys to fall back to.
    keyd.write_keys(mistake + "\n" if mistake[:3] != "key" else (mistake + "\n") * 2)
    keyd.stop()
    keyd.start().ends(6, MISTAKES[mistake])


def test_a_file_that_others_may_read(keyd):
    client = keyd.client()
    keyd.keys.chmod(0o440)
    done = client.ask(wire.LoadKeys(), wire.Done)
    assert (
        done.error == errno.EPERM and b"mode 440: expected no rights for others than its owner" in done.text
    )
    keyd.keys.unlink()
    assert client.ask(wire.LoadKeys(), wire.Done).error == errno.ENOENT
    keyd.keys.symlink_to("/etc/shadow")
    assert client.ask(wire.LoadKeys(), wire.Done).error == errno.ELOOP


def test_a_hundred_thousand_keys(keyd):
    """While they are loaded, questions are answered."""
    client = keyd.client()
    client.send(wire.AddKey("key", wire.ALGORITHM_HMAC_MD5, KEY))
    many = "".join(
        f"node-10.{i >> 16}.{i >> 8 & 255}.{i & 255}-256 hmac-md5 {i:032x}\n" for i in range(100000)
    )
    keyd.write_keys(many)
    client.send(wire.LoadKeys())
    answered = 0
    while not any(isinstance(message, wire.Done) for message in client.told):
        client.ask(wire.Authenticate(1, "key", b""), wire.Authenticated)
        answered += 1
    assert client.wait_for(wire.Done).text == b"100000 keys" and answered > 1
    for i in (0, 1, 77777, 99999):
        name = f"node-10.{i >> 16}.{i >> 8 & 255}.{i & 255}-256"
        told = client.ask(wire.Authenticate(1, name, b"x"), wire.Authenticated)
        assert told.authenticator == hmac_of("hmac-md5", i.to_bytes(16, "big"), b"x")
    keyd.write_keys(LINES)
    assert client.ask(wire.LoadKeys(), wire.Done).text == b"3 keys"
    assert client.ask(wire.Authenticate(1, "node-10.0.0.1-256", b""), wire.NoKey)
