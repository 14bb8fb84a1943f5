"""The three NIST curves: keys from given scalars, RFC 6979 ECDSA, ECDH.

Point arithmetic is the `cryptography` package's; nonces and encodings are ours.
"""

import hashlib
import hmac

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

import labels
from refusal import Refusal, require


class Curve:
    """Domain parameters that the encodings need."""

    def __init__(self, name, dotted, curve, order, prime, digest):
        self.name, self.oid, self.curve = name, dotted, curve
        self.order, self.prime, self.digest = order, prime, digest
        self.width = (prime.bit_length() + 7) // 8


P256 = Curve(
    "P-256", "1.2.840.10045.3.1.7", ec.SECP256R1(),
    0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    2**256 - 2**224 + 2**192 + 2**96 - 1, "sha256")
P384 = Curve(
    "P-384", "1.3.132.0.34", ec.SECP384R1(),
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    2**384 - 2**128 - 2**96 + 2**32 - 1, "sha384")
P521 = Curve(
    "P-521", "1.3.132.0.35", ec.SECP521R1(),
    (2**265 - 6) << 256 | 0x51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409,
    2**521 - 1, "sha512")
CURVES = {c.name: c for c in (P256, P384, P521)}


class PrivateKey:
    """An EC key with a known scalar."""

    kind = "ec"

    def __init__(self, curve, scalar):
        self.curve, self.scalar = curve, scalar
        self._key = ec.derive_private_key(scalar, curve.curve)
        numbers = self._key.public_key().public_numbers()
        self.x, self.y = numbers.x, numbers.y

    @classmethod
    def from_label(cls, curve, label):
        return cls(curve, labels.scalar("ec/" + label, curve.order))

    @property
    def point(self):
        """Uncompressed point: 04 || X || Y."""
        width = self.curve.width
        return b"\x04" + self.x.to_bytes(width, "big") + self.y.to_bytes(width, "big")

    def exchange(self, point):
        """The x coordinate of the shared point, at full field width (Z)."""
        return self._key.exchange(ec.ECDH(), load_point(self.curve, point))

    def sign(self, message, digest=None):
        """(r, s) by RFC 6979 with the curve's own hash unless `digest` names another."""
        digest = digest or self.curve.digest
        order = self.curve.order
        number = _to_number(hashlib.new(digest, message).digest(), order)
        for k in _nonces(self.scalar, order, digest, hashlib.new(digest, message).digest()):
            r = PrivateKey(self.curve, k).x % order
            s = pow(k, -1, order) * (number + r * self.scalar) % order
            if r and s:
                return r, s
        raise AssertionError("the nonce generator does not end")


def load_point(curve, point):
    """A checked public key; refuses anything but an uncompressed point on the curve."""
    require(len(point) == 1 + 2 * curve.width and point[0] == 4, "ec-point")
    x = int.from_bytes(point[1:1 + curve.width], "big")
    y = int.from_bytes(point[1 + curve.width:], "big")
    try:
        return ec.EllipticCurvePublicNumbers(x, y, curve.curve).public_key()
    except ValueError:
        raise Refusal("ec-point") from None


def verify(curve, point, message, r, s):
    """Whether (r, s) is an ECDSA signature with the curve's own hash."""
    if not (0 < r < curve.order and 0 < s < curve.order):
        return False
    digest = {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}
    algorithm = ec.ECDSA(digest[curve.digest]())
    try:
        load_point(curve, point).verify(encode_dss_signature(r, s), message, algorithm)
    except InvalidSignature:
        return False
    return True


def negated(curve, point):
    """The point -P."""
    y = int.from_bytes(point[1 + curve.width:], "big")
    return point[:1 + curve.width] + (curve.prime - y).to_bytes(curve.width, "big")


def compressed(curve, point):
    """SEC 1 compressed form."""
    return bytes([2 + (point[-1] & 1)]) + point[1:1 + curve.width]


def _to_number(digest, order):
    """bits2int of RFC 6979: the leftmost bits, as many as the order has."""
    number = int.from_bytes(digest, "big")
    return number >> max(0, len(digest) * 8 - order.bit_length())


def _nonces(scalar, order, digest, hashed):
    """RFC 6979 section 3.2: the candidates k in order."""
    width = (order.bit_length() + 7) // 8
    seed = scalar.to_bytes(width, "big") + (_to_number(hashed, order) % order).to_bytes(width, "big")

    def mac(key, *parts):
        return hmac.new(key, b"".join(parts), digest).digest()

    v, key = b"\x01" * len(hashed), b"\x00" * len(hashed)
    key = mac(key, v, b"\x00", seed)
    v = mac(key, v)
    key = mac(key, v, b"\x01", seed)
    v = mac(key, v)
    while True:
        stream = b""
        while len(stream) < width:
            v = mac(key, v)
            stream += v
        k = _to_number(stream[:width], order)
        if 0 < k < order:
            yield k
        key = mac(key, v, b"\x00")
        v = mac(key, v)
