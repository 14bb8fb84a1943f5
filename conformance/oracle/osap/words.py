"""Small encodings that all parts share: HKDF halves, framing, names of results."""

import base64
import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from refusal import Refusal, require

VERSION, NO_COMMON = b"\x01\x10\x00", b"\x01\x02\x00"
RESULTS = {
    "not-proven": 1, "order": 2, "malformed": 3, "no-das": 9, "bad-point": 16, "rematch": 20, "no-common-type": 21,
    "suite": 22, "kdf": 23, "later": 24, "ticket": 25, "blocked": 26,
}


def sha(data):
    return hashlib.sha256(data).digest()


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def extract(salt, secret):
    return mac(salt, secret)


def expand(key, info, count):
    out = block = b""
    for number in range(1, 256):
        if len(out) >= count:
            return out[:count]
        block = mac(key, block + info + bytes([number]))
        out += block
    raise AssertionError("too long")


def varint(number):
    out = b""
    while True:
        low, number = number & 0x7F, number >> 7
        out += bytes([low | (0x80 if number else 0)])
        if not number:
            return out


def frame(byte0, body):
    return bytes([byte0]) + varint(len(body)) + body


def unframe(raw, limit):
    """(byte0, head octets, body) of exactly one message; `closed` is what the peer notices."""
    require(len(raw) >= 2, "closed")
    length = shift = 0
    for place in range(1, 5):
        require(place < len(raw), "closed")
        length |= (raw[place] & 0x7F) << shift
        shift += 7
        if not raw[place] & 0x80:
            break
    else:
        raise Refusal("closed")
    require(raw[1:place + 1] == varint(length), "closed")
    require(length <= limit and len(raw) == place + 1 + length, "closed")
    return raw[0], raw[:place + 1], raw[place + 1:]


def text(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def untext(data, code):
    """Octets of base64url without padding; spare bits must be zero."""
    try:
        out = base64.urlsafe_b64decode(data + b"=" * (-len(data) % 4))
    except ValueError:
        raise Refusal(code) from None
    require(text(out) == data, code)
    return out


def nonce(iv, number):
    return bytes(a ^ b for a, b in zip(iv, bytes(4) + number.to_bytes(8, "big")))


def seal(key, iv, plain, extra):
    return AESGCM(key).encrypt(iv, plain, extra)


def unseal(key, iv, sealed, extra, code):
    try:
        return AESGCM(key).decrypt(iv, sealed, extra)
    except InvalidTag:
        raise Refusal(code) from None


def good_serial(serial):
    return 1 <= len(serial) <= 71 and all(0x21 <= c <= 0x7E and c not in b'"#+/\\' for c in serial)
