"""cryptolib: one set of vectors (NIST SP 800-38A, appendix F) and of errors for both interpreters."""

import cryptolib

KEY_128 = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
KEY_256 = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
IV = bytes(range(16))
COUNTER = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
PLAIN = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
# (section of SP 800-38A, key, mode, IV, cipher text)
VECTORS = (
    (
        "F.1.1",
        KEY_128,
        1,
        None,
        "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
        "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
    ),
    (
        "F.1.5",
        KEY_256,
        1,
        None,
        "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870"
        "b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7",
    ),
    (
        "F.2.1",
        KEY_128,
        2,
        IV,
        "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
        "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
    ),
    (
        "F.2.5",
        KEY_256,
        2,
        IV,
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
        "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
    ),
    (
        "F.5.1",
        KEY_128,
        6,
        COUNTER,
        "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
        "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
    ),
)


def has_ctr():
    """MicroPython can be built without CTR."""
    try:
        cryptolib.aes(KEY_128, 6, IV)
        return True
    except ValueError:
        return False


def vectors():
    return [v for v in VECTORS if v[2] != 6 or has_ctr()]


def make(key, mode, iv):
    return cryptolib.aes(key, mode) if iv is None else cryptolib.aes(key, mode, iv)


def refused(call):
    try:
        call()
    except ValueError as e:
        return str(e)
    return None


def test_there_are_vectors():
    assert len(vectors()) >= 4


def test_vectors_encrypt_and_decrypt():
    for section, key, mode, iv, cipher in vectors():
        assert make(key, mode, iv).encrypt(PLAIN) == bytes.fromhex(cipher), section
        assert make(key, mode, iv).decrypt(bytes.fromhex(cipher)) == PLAIN, section


def test_in_pieces_it_is_the_same():
    for section, key, mode, iv, cipher in vectors():
        object_ = make(key, mode, iv)
        pieces = [object_.encrypt(PLAIN[at : at + 16]) for at in range(0, len(PLAIN), 16)]
        assert b"".join(pieces) == bytes.fromhex(cipher), section


def test_into_a_buffer_and_in_place():
    for section, key, mode, iv, cipher in vectors():
        out = bytearray(len(PLAIN) + 3)
        make(key, mode, iv).encrypt(PLAIN, out)
        assert bytes(out) == bytes.fromhex(cipher) + bytes(3), section
        buffer = bytearray(PLAIN)
        make(key, mode, iv).encrypt(buffer, buffer)
        assert bytes(buffer) == bytes.fromhex(cipher), section


def test_wrong_sizes_and_modes():
    assert refused(lambda: cryptolib.aes(KEY_128, 3)) == "mode"
    assert refused(lambda: cryptolib.aes(KEY_128[:15], 1)) == "key"
    assert refused(lambda: cryptolib.aes(bytes(24), 1)) == "key"
    assert refused(lambda: cryptolib.aes(KEY_128, 2)) == "IV"
    assert refused(lambda: cryptolib.aes(KEY_128, 2, bytes(15))) == "IV"
    assert refused(lambda: cryptolib.aes(KEY_128, 1).encrypt(bytes(15))) == "blksize % 16"
    assert refused(lambda: cryptolib.aes(KEY_128, 1).encrypt(bytes(32), bytearray(31))) == "output too small"
    assert cryptolib.aes(KEY_128, 1).encrypt(b"") == b""


def test_one_object_one_direction():
    object_ = cryptolib.aes(KEY_128, 1)
    object_.encrypt(bytes(16))
    assert refused(lambda: object_.decrypt(bytes(16))) == "can't encrypt & decrypt"


if __name__ == "__main__":
    from runner import main

    main(globals())
