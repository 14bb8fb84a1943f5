"""RSA by hand: keys from labels, PKCS #1 v1.5 signatures, OAEP with SHA-256 (RFC 8017)."""

import hashlib
import math

import labels
from refusal import Refusal, require

EXPONENT = 65537
_SMALL = [n for n in range(3, 12000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]
_CACHE = {}


class PrivateKey:
    """A two-prime key."""

    kind = "rsa"

    def __init__(self, p, q, e=EXPONENT):
        self.p, self.q, self.e, self.n = p, q, e, p * q
        self.d = pow(e, -1, math.lcm(p - 1, q - 1))

    @classmethod
    def from_label(cls, bits, label, e=EXPONENT):
        """The key of `bits` bits that belongs to `label`; p > q."""
        if (bits, label, e) not in _CACHE:
            half = (bits + 1) // 2
            p = _prime("rsa/%s/%d/p" % (label, bits), half, e)
            q = _prime("rsa/%s/%d/q" % (label, bits), bits - half, e)
            _CACHE[bits, label, e] = cls(max(p, q), min(p, q), e)
        return _CACHE[bits, label, e]

    @property
    def width(self):
        return (self.n.bit_length() + 7) // 8

    def power(self, number):
        """number ** d mod n by the Chinese remainder theorem."""
        m1 = pow(number % self.p, self.d % (self.p - 1), self.p)
        m2 = pow(number % self.q, self.d % (self.q - 1), self.q)
        return m2 + self.q * ((m1 - m2) * pow(self.q, -1, self.p) % self.p)

    def sign(self, message, digest):
        """RSASSA-PKCS1-v1_5."""
        padded = pkcs1_padded(message, digest, self.width)
        return self.power(int.from_bytes(padded, "big")).to_bytes(self.width, "big")


def _prime(label, bits, e):
    """The first prime from a label's start value upward; the two top bits are set."""
    start = int.from_bytes(labels.octets(label, (bits + 7) // 8), "big") % (1 << bits)
    candidate = start | 3 << (bits - 2) | 1
    while not _fits(candidate, e):
        candidate += 2
    return candidate


def _fits(n, e):
    if any(n % small == 0 for small in _SMALL) or math.gcd(n - 1, e) != 1:
        return False
    if pow(2, n - 1, n) != 1:
        return False
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return all(_witness(n, base, odd, twos) for base in (2, 3, 5, 7, 11, 13, 17, 19))


def _witness(n, base, odd, twos):
    """One Miller-Rabin round: whether `base` leaves n possibly prime."""
    x = pow(base, odd, n)
    if x in (1, n - 1):
        return True
    for _ in range(twos - 1):
        x = x * x % n
        if x == n - 1:
            return True
    return False


_DIGEST_INFO = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


def pkcs1_padded(message, digest, width):
    """EMSA-PKCS1-v1_5."""
    info = _DIGEST_INFO[digest] + hashlib.new(digest, message).digest()
    return b"\x00\x01" + b"\xff" * (width - len(info) - 3) + b"\x00" + info


def verify(n, e, message, signature, digest):
    """Whether `signature` has the modulus' length and opens to the expected block."""
    width = (n.bit_length() + 7) // 8
    number = int.from_bytes(signature, "big")
    if len(signature) != width or number >= n:
        return False
    return pow(number, e, n).to_bytes(width, "big") == pkcs1_padded(message, digest, width)


def _mgf1(seed, count, digest):
    out, counter = b"", 0
    while len(out) < count:
        out += hashlib.new(digest, seed + counter.to_bytes(4, "big")).digest()
        counter += 1
    return out[:count]


def _xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def oaep_encrypt(n, message, seed_label, label=b"", digest="sha256"):
    """RSAES-OAEP for e = 65537; the seed comes from `seed_label`."""
    width = (n.bit_length() + 7) // 8
    size = hashlib.new(digest).digest_size
    seed = labels.octets(seed_label, size)
    filler = b"\x00" * (width - len(message) - 2 * size - 2)
    block = hashlib.new(digest, label).digest() + filler + b"\x01" + message
    masked = _xor(block, _mgf1(seed, len(block), digest))
    encoded = b"\x00" + _xor(seed, _mgf1(masked, size, digest)) + masked
    return pow(int.from_bytes(encoded, "big"), EXPONENT, n).to_bytes(width, "big")


def oaep_decrypt(key, ciphertext, label=b""):
    """The message; one refusal for every cause."""
    code = "cms-unwrap"
    require(len(ciphertext) == key.width, code)
    number = int.from_bytes(ciphertext, "big")
    require(number < key.n, code)
    encoded = key.power(number).to_bytes(key.width, "big")
    seed = _xor(encoded[1:33], _mgf1(encoded[33:], 32, "sha256"))
    block = _xor(encoded[33:], _mgf1(seed, len(encoded) - 33, "sha256"))
    rest = block[32:].lstrip(b"\x00")
    if encoded[0] or block[:32] != hashlib.sha256(label).digest() or rest[:1] != b"\x01":
        raise Refusal(code)
    return rest[1:]


def pkcs1_encrypt(n, message, seed_label):
    """RSAES-PKCS1-v1_5 (only for vectors that must be refused)."""
    width = (n.bit_length() + 7) // 8
    filler = bytes(b or 1 for b in labels.octets(seed_label, width - len(message) - 3))
    encoded = b"\x00\x02" + filler + b"\x00" + message
    return pow(int.from_bytes(encoded, "big"), EXPONENT, n).to_bytes(width, "big")
