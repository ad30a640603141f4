"""AES as MicroPython's cryptolib offers it, by the `cryptography` package (CPython only)."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_BLOCK_SIZE = 16
_ECB, _CBC, _CTR = 1, 2, 6


class aes:
    """One direction of one key; both directions in CTR, where they are the same."""

    def __init__(self, key, mode, IV=None):
        if mode not in (_ECB, _CBC, _CTR):
            raise ValueError("mode")
        if len(key) not in (16, 32):
            raise ValueError("key")
        if mode != _ECB and (IV is None or len(IV) != _BLOCK_SIZE):
            raise ValueError("IV")
        made = {_ECB: modes.ECB, _CBC: modes.CBC, _CTR: modes.CTR}[mode]
        chosen = made() if mode == _ECB else made(bytes(IV))
        self._cipher = Cipher(algorithms.AES(bytes(key)), chosen)
        self._whole_blocks = mode != _CTR
        self._context = None
        self._encrypts = None

    def encrypt(self, in_buf, out_buf=None):
        return self._process(True, in_buf, out_buf)

    def decrypt(self, in_buf, out_buf=None):
        return self._process(not self._whole_blocks, in_buf, out_buf)  # CTR: one key stream for both

    def _process(self, encrypts, in_buf, out_buf):
        if isinstance(in_buf, str):
            raise TypeError("object with buffer protocol required")
        if self._whole_blocks and len(in_buf) % _BLOCK_SIZE:
            raise ValueError("blksize % 16")
        if out_buf is not None and len(out_buf) < len(in_buf):
            raise ValueError("output too small")
        if self._context is None:
            self._context = self._cipher.encryptor() if encrypts else self._cipher.decryptor()
            self._encrypts = encrypts
        elif self._encrypts != encrypts:
            raise ValueError("can't encrypt & decrypt")
        done = self._context.update(bytes(in_buf))
        if out_buf is None:
            return done
        out_buf[: len(done)] = done
        return out_buf
