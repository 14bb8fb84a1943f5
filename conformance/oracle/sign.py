"""Signatures of 7.3 and what they cover (A-ASSURE-19, -21, -22; G 8, G 9)."""

import hashlib
import hmac

import cbor
import ecc
import rsa
from refusal import require

CONTENT_SIGNATURE = 4
# format: (kind of key, curve or None, hash)
FORMATS = {
    0: ("ec", ecc.P256, "sha256"), 1: ("ec", ecc.P384, "sha384"), 2: ("ec", ecc.P521, "sha512"),
    8: ("rsa", None, "sha256"), 9: ("rsa", None, "sha384"), 10: ("rsa", None, "sha512"),
    16: ("hmac", None, "sha256"), 17: ("hmac", None, "sha384"), 18: ("hmac", None, "sha512"),
}


def natural_format(key):
    """The format that writers use with a key (bytes: a shared secret)."""
    if isinstance(key, bytes):
        return 16
    if key.kind == "rsa":
        return 8
    return {"P-256": 0, "P-384": 1, "P-521": 2}[key.curve.name]


class Signer:
    """A signing key with its id; `key` is a private key or the octets of a secret."""

    def __init__(self, key, key_id, form=None):
        self.key, self.key_id = key, key_id
        self.format = natural_format(key) if form is None else form

    def values(self, tbs):
        """The final value(s): [r, s], [s] or [hmac]."""
        kind, _, digest = FORMATS[self.format]
        if kind == "ec":
            width = self.key.curve.width
            return [n.to_bytes(width, "big") for n in self.key.sign(tbs, digest)]
        if kind == "rsa":
            return [self.key.sign(tbs, digest)]
        return [hmac.new(self.key, tbs, digest).digest()]


def emptied(form, created_at, valid_until, key_id):
    """The signature ARRAY as it is while it is signed: its values are 0x40."""
    count = 2 if FORMATS[form][0] == "ec" else 1
    return [CONTENT_SIGNATURE, form, created_at, valid_until, key_id] + [b""] * count


def close(items, signer, created_at, valid_until=0, prefix=b""):
    """(octets, to-be-signed octets) of an ARRAY of `items` that ends in its signature.

    `items` are encoded CBOR items; `prefix` is signed but not written (owner data).
    """
    empty = emptied(signer.format, created_at, valid_until, signer.key_id)
    body = cbor.head(4, len(items) + 1) + b"".join(items)
    tbs = prefix + body + cbor.encode(empty)
    filled = empty[:5] + signer.values(tbs)
    return body + cbor.encode(filled), tbs


class Signature:
    """A decoded signature ARRAY."""

    def __init__(self, item):
        parts = cbor.array(item, "signature-structure")
        require(len(parts) >= 6, "signature-structure")
        require(cbor.uint(parts[0], "signature-structure") == CONTENT_SIGNATURE,
                "signature-content")
        self.format = cbor.uint(parts[1], "signature-structure")
        require(self.format in FORMATS, "signature-format")
        kind, curve, digest = FORMATS[self.format]
        require(len(parts) == (7 if kind == "ec" else 6), "signature-structure")
        self.created_at = cbor.uint(parts[2], "timestamp")
        self.valid_until = cbor.uint(parts[3], "timestamp")
        self.key_id = cbor.octets(parts[4], "key-id", 16)
        self.values = [cbor.octets(part, "signature-structure") for part in parts[5:]]
        lengths = [len(value) for value in self.values]
        if kind == "ec":
            require(all(1 <= n <= curve.width for n in lengths), "signature-length")
        elif kind == "rsa":
            require(256 <= lengths[0] <= 512, "signature-length")
        else:
            require(lengths[0] == hashlib.new(digest).digest_size, "signature-length")
        # while it is checked, the octets from the first value on are 0x40 each
        self.fixed = item.source[item.start:parts[5].start]
        self.start = item.start

    def covered(self, enclosing):
        """The enclosing ARRAY's octets with this signature's values emptied."""
        return enclosing.source[enclosing.start:self.start] + self.fixed + b"\x40" * len(self.values)

    def check(self, key, tbs):
        """Refuses unless the values are `key`'s (public key or secret octets) over `tbs`."""
        kind, curve, digest = FORMATS[self.format]
        if isinstance(key, bytes):
            require(kind == "hmac", "format-key-mismatch")
            good = hmac.compare_digest(hmac.new(key, tbs, digest).digest(), self.values[0])
            require(good, "bad-signature")
            return
        require(kind == key.kind, "format-key-mismatch")
        if kind == "rsa":
            require(rsa.verify(key.n, key.e, tbs, self.values[0], digest), "bad-signature")
            return
        require(curve is key.curve, "format-key-mismatch")
        r, s = (int.from_bytes(value, "big") for value in self.values)
        require(ecc.verify(curve, key.point, tbs, r, s), "bad-signature")

    def check_time(self, now):
        """Refuses outside created_at..valid_until, both included; zero and None: no limit."""
        if now is None:
            return
        require(not self.created_at or now >= self.created_at, "not-yet-valid")
        require(not self.valid_until or now <= self.valid_until, "expired")
