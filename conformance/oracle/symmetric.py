"""Block ciphers of 7.8, key wrap and the X9.63 key derivation."""

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from refusal import Refusal, require

# suite: (mode, key octets, IV octets, tag octets); A-ASSURE-95
SUITES = {
    0: ("cbc", 16, 16, 0), 1: ("cbc", 24, 16, 0), 2: ("cbc", 32, 16, 0),
    3: ("ccm", 16, 13, 16), 4: ("ccm", 24, 13, 16), 5: ("ccm", 32, 13, 16),
    6: ("gcm", 16, 12, 16), 7: ("gcm", 24, 12, 16), 8: ("gcm", 32, 12, 16),
}


def pad(data):
    """PKCS #7 to 16 octets."""
    count = 16 - len(data) % 16
    return data + bytes([count]) * count


def unpad(data, code):
    require(data and 1 <= data[-1] <= 16, code)
    require(data.endswith(bytes([data[-1]]) * data[-1]), code)
    return data[:-data[-1]]


def cbc_encrypt(key, iv, padded):
    """CBC over octets that are padded already."""
    context = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return context.update(padded) + context.finalize()


def cbc_decrypt(key, iv, data, code):
    require(data and len(data) % 16 == 0, code)
    context = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return unpad(context.update(data) + context.finalize(), code)


def seal(suite, key, iv, plaintext):
    """(data, tag) of one suite of 7.8."""
    mode = SUITES[suite][0]
    if mode == "cbc":
        return cbc_encrypt(key, iv, pad(plaintext)), b""
    aead = AESCCM(key, tag_length=16) if mode == "ccm" else AESGCM(key)
    sealed = aead.encrypt(iv, plaintext, None)
    return sealed[:-16], sealed[-16:]


def unseal(suite, key, iv, data, tag):
    """The plaintext of one suite of 7.8."""
    mode = SUITES[suite][0]
    if mode == "cbc":
        return cbc_decrypt(key, iv, data, "payload-decryption")
    aead = AESCCM(key, tag_length=16) if mode == "ccm" else AESGCM(key)
    try:
        return aead.decrypt(iv, data + tag, None)
    except InvalidTag:
        raise Refusal("payload-decryption") from None


def wrap(kek, key):
    return aes_key_wrap(kek, key)


def unwrap(kek, wrapped, code):
    try:
        return aes_key_unwrap(kek, wrapped)
    except (InvalidUnwrap, ValueError):
        raise Refusal(code) from None


def x963_kdf(digest, secret, info, count):
    """ANSI X9.63 / SEC 1: hash(secret || u32 counter from 1 || info), concatenated."""
    out, counter = b"", 1
    while len(out) < count:
        out += hashlib.new(digest, secret + counter.to_bytes(4, "big") + info).digest()
        counter += 1
    return out[:count]


def pbkdf2(secret, salt, rounds, count):
    return hashlib.pbkdf2_hmac("sha256", secret, salt, rounds, count)


def xor(a, b):
    assert len(a) == len(b)
    return bytes(x ^ y for x, y in zip(a, b))
