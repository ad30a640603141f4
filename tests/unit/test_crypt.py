"""HMAC against the vectors of RFC 2202 and RFC 4231, and a provider that keeps its secrets."""

from careof.crypt import ALGORITHMS, HandedKeys, soft
from careof.crypt.soft import SoftProvider, _Key

AA = b"\xaa"
LONG_KEY = b"Test Using Larger Than Block-Size Key"

# secret, data, authenticator in hexadecimal
MD5_VECTORS = (  # RFC 2202 section 2
    (b"\x0b" * 16, b"Hi There", "9294727a3638bb1c13f48ef8158bfc9d"),
    (b"Jefe", b"what do ya want for nothing?", "750c783e6ab0b503eaa86e310a5db738"),
    (AA * 16, b"\xdd" * 50, "56be34521d144c88dbb8c733f0e8b3f6"),
    (bytes(range(1, 26)), b"\xcd" * 50, "697eaf0aca3a3aea3a75164746ffaa79"),
    (b"\x0c" * 16, b"Test With Truncation", "56461ef2342edc00f9bab995690efd4c"),
    (AA * 80, LONG_KEY + b" - Hash Key First", "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"),
    (AA * 80, LONG_KEY + b" and Larger Than One Block-Size Data", "6f630fad67cda0ee1fb1f562db3aa53e"),
)
SHA1_VECTORS = (  # RFC 2202 section 3
    (b"\x0b" * 20, b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
    (b"Jefe", b"what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
    (AA * 20, b"\xdd" * 50, "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
    (bytes(range(1, 26)), b"\xcd" * 50, "4c9007f4026250c6bc8414f9bf50c86c2d7235da"),
    (b"\x0c" * 20, b"Test With Truncation", "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"),
    (AA * 80, LONG_KEY + b" - Hash Key First", "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
    (AA * 80, LONG_KEY + b" and Larger Than One Block-Size Data", "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"),
)
SHA256_VECTORS = (  # RFC 4231 section 4
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (AA * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
    (
        AA * 131,
        LONG_KEY + b" - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        AA * 131,
        b"This is a test using a larger than block-size key and a larger than block-size data."
        b" The key needs to be hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
)


def provider_with(algorithm, secret):
    """A provider with one key, also a key of a vector that is shorter than we let in."""
    provider = SoftProvider()
    provider.add_key("k", algorithm, secret + bytes(max(0, 16 - len(secret))))  # HMAC pads with zeros too
    return provider


def check_vectors(algorithm, vectors):
    for secret, data, authenticator in vectors:
        provider = provider_with(algorithm, secret)
        right = bytes([int(authenticator[at : at + 2], 16) for at in range(0, len(authenticator), 2)])
        assert provider.authenticate("k", data) == right, data
        assert provider.verify("k", data, right)
        assert not provider.verify("k", data + b"x", right)


def test_hmac_md5_is_rfc_2202s():
    check_vectors("hmac-md5", MD5_VECTORS)


def test_hmac_sha1_is_rfc_2202s():
    check_vectors("hmac-sha1", SHA1_VECTORS)


def test_hmac_sha256_is_rfc_4231s():
    check_vectors("hmac-sha256", SHA256_VECTORS)


def test_every_wrong_octet_and_every_wrong_length_is_false():
    for algorithm in ALGORITHMS:
        provider = provider_with(algorithm, b"0123456789abcdef")
        right = provider.authenticate("k", b"data")
        assert len(right) == ALGORITHMS[algorithm].authenticator_size
        for at in range(len(right)):
            wrong = bytearray(right)
            wrong[at] ^= 1 << at % 8
            assert not provider.verify("k", b"data", bytes(wrong))
        for size in range(len(right)):
            assert not provider.verify("k", b"data", right[:size])
        assert not provider.verify("k", b"data", right + b"\x00")


def refused(name, algorithm, secret):
    try:
        SoftProvider().add_key(name, algorithm, secret)
    except ValueError as e:
        return str(e)


def test_a_key_that_will_not_do_is_refused_without_showing_it():
    assert refused("a", "hmac-md4", b"secret") == "key a: no algorithm hmac-md4"
    assert refused("a", "hmac-md5", b"secret") == "key a: 6 octets, at least 16"


def test_an_interpreter_without_a_hash_says_what_to_do():
    """MicroPython without a TLS library has SHA-256 and no other."""

    class Poor:
        sha256 = soft.hashlib.sha256

    rich, soft.hashlib = soft.hashlib, Poor
    try:
        for algorithm, name in (("hmac-md5", "md5"), ("hmac-sha1", "sha1")):
            text = refused("a", algorithm, bytes(16))
            assert text == (
                "key a: %s: this interpreter has no %s: expected another algorithm, or key_provider keyd"
                % (algorithm, name)
            )
        assert refused("a", "hmac-sha256", bytes(16)) is None
    finally:
        soft.hashlib = rich


def test_keys_on_their_way_to_another_process_are_checked_too():
    keys = HandedKeys()
    for algorithm in ALGORITHMS:
        keys.add_key(algorithm, algorithm, bytes(range(16)))
        assert keys.keys[algorithm] == (algorithm, bytes(range(16)))
    for algorithm, secret in (("hmac-md4", bytes(16)), ("hmac-md5", bytes(15))):
        try:
            keys.add_key("a", algorithm, secret)
            assert False
        except ValueError as e:
            assert str(e).startswith("key a: ")


def test_a_key_has_no_text_that_shows_it():
    key = _Key(ALGORITHMS["hmac-md5"], None, b"topsecret-topsecret")
    assert repr(key) == str(key) == "<key for hmac-md5>"
    provider = provider_with("hmac-md5", b"topsecret-topsecret")
    assert "topsecret" not in repr(provider) + str(provider)


def test_a_dropped_key_is_gone_and_a_new_one_takes_its_place():
    provider = provider_with("hmac-md5", b"0123456789abcdef")
    first = provider.authenticate("k", b"data")
    provider.add_key("k", "hmac-md5", b"another-0123456789")
    assert provider.authenticate("k", b"data") != first
    provider.drop_key("k")
    try:
        provider.verify("k", b"data", first)
    except KeyError:
        return
    raise AssertionError("a key that is not there was used")


if __name__ == "__main__":
    from runner import main

    main(globals())
