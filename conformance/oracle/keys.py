"""Key definitions of 7.2: SPKI, PKCS#8, derived secrets; writers and strict readers.

Clauses: layouts 2.2, G 5, G 6, G 7; A-ASSURE-01, -05 to -09; OS-M2, OS-M3.
"""

import cbor
import cms
import der
import ecc
import rsa
import symmetric
from refusal import Refusal, require

CONTENT_KEY = 1
EC, RSA, DERIVED = 0, 1, 2
DERIVATIONS_MAX = 8
ROUNDS = 1000
ROUNDS_MAX_SIGNED, ROUNDS_MAX_HANDSHAKE = 100000, 20000


class PublicKey:
    """A decoded SPKI: `kind` ec (curve, point) or rsa (n, e)."""

    def __init__(self, kind, curve=None, point=None, n=None, e=None):
        self.kind, self.curve, self.point, self.n, self.e = kind, curve, point, n, e


# --- writing -----------------------------------------------------------------

def spki(key):
    """SubjectPublicKeyInfo of a private or public key object."""
    if key.kind == "ec":
        return ec_spki(key.curve, key.point)
    return rsa_spki(key.n, key.e)


def ec_spki(curve, point):
    return der.sequence(der.sequence(der.oid(cms.EC_KEY), der.oid(curve.oid)),
                        der.bit_string(point))


def rsa_spki(n, e):
    return der.sequence(der.sequence(der.oid(cms.RSA_KEY), der.null()),
                        der.bit_string(der.sequence(der.integer(n), der.integer(e))))


def pkcs8(key, version=0, attributes=b""):
    """PrivateKeyInfo of version 1 (number 0); EC keys carry their public point."""
    if key.kind == "ec":
        algorithm = der.sequence(der.oid(cms.EC_KEY), der.oid(key.curve.oid))
        scalar = key.scalar.to_bytes(key.curve.width, "big")
        inner = der.sequence(der.integer(1), der.octet_string(scalar),
                             der.context(1, der.bit_string(key.point)))
    else:
        algorithm = der.sequence(der.oid(cms.RSA_KEY), der.null())
        numbers = (0, key.n, key.e, key.d, key.p, key.q, key.d % (key.p - 1),
                   key.d % (key.q - 1), pow(key.q, -1, key.p))
        inner = der.sequence(*(der.integer(n) for n in numbers))
    return der.sequence(der.integer(version), algorithm, der.octet_string(inner), attributes)


def definition(key, key_id, private=False):
    """The 5-item ARRAY of an EC or RSA key."""
    form = EC if key.kind == "ec" else RSA
    return cbor.encode([CONTENT_KEY, form, key_id, spki(key), pkcs8(key) if private else b""])


def derived(key_id, derivations):
    """The ARRAY of a derived secret; each derivation is a list of four values."""
    return cbor.encode([CONTENT_KEY, DERIVED, key_id] + list(derivations))


def from_secret(reference, reference_secret, secret, salt, rounds=ROUNDS):
    """A derivation by PBKDF2 and XOR."""
    pad = symmetric.pbkdf2(reference_secret, salt, rounds, len(secret))
    return [reference, salt, rounds, symmetric.xor(pad, secret)]


def from_public(reference, key, secret, label, salt=b"", rounds=0):
    """A derivation by CMS to an EC or RSA key; no ukm, no label (G 13)."""
    return [reference, salt, rounds, cms.envelope(key, reference, secret, label)]


# --- reading -----------------------------------------------------------------

def parse_spki(data):
    """A PublicKey from the forms of G 5."""
    reader = der.single(data, "spki-der")
    algorithm = reader.inside(0x30)
    dotted = algorithm.element(0x06)[2]
    bits = reader.content(0x03)
    reader.finish()
    require(bits[:1] == b"\x00", "spki-der")
    if dotted == der.oid(cms.EC_KEY):
        require(algorithm.peek() == 0x06, "spki-curve")
        named = algorithm.element(0x06)[2]
        algorithm.finish()
        for curve in ecc.CURVES.values():
            if named == der.oid(curve.oid):
                ecc.load_point(curve, bits[1:])
                return PublicKey("ec", curve=curve, point=bits[1:])
        raise Refusal("spki-curve")
    require(dotted == der.oid(cms.RSA_KEY), "spki-algorithm")
    require(algorithm.element(0x05)[1] == b"", "spki-der")
    algorithm.finish()
    return _rsa_numbers(bits[1:])


def _rsa_numbers(data):
    numbers = der.single(data, "spki-der")
    n, e = numbers.integer(), numbers.integer()
    numbers.finish()
    require(2048 <= n.bit_length() <= 4096 and n % 2 == 1, "rsa-size")
    require(e == rsa.EXPONENT, "rsa-exponent")
    return PublicKey("rsa", n=n, e=e)


def parse_pkcs8(data, public):
    """The private key, which must belong to `public`."""
    reader = der.single(data, "pkcs8-der")
    require(reader.integer() == 0, "pkcs8-version")
    algorithm = reader.element(0x30)[2]
    inner = reader.content(0x04)
    reader.finish()
    if public.kind == "ec":
        expected = der.sequence(der.oid(cms.EC_KEY), der.oid(public.curve.oid))
        require(algorithm == expected, "pkcs8-algorithm")
        key = _ec_scalar(inner, public.curve)
        require(key.point == public.point, "private-key-mismatch")
        return key
    require(algorithm == der.sequence(der.oid(cms.RSA_KEY), der.null()), "pkcs8-algorithm")
    numbers = der.single(inner, "pkcs8-der")
    version, n, e, _, p, q = (numbers.integer() for _ in range(6))
    require(version == 0, "pkcs8-der")
    require((n, e) == (public.n, public.e) and p * q == n, "private-key-mismatch")
    return rsa.PrivateKey(p, q)


def _ec_scalar(inner, curve):
    reader = der.single(inner, "pkcs8-der")
    require(reader.integer() == 1, "pkcs8-der")
    scalar = reader.content(0x04)
    require(len(scalar) == curve.width, "pkcs8-der")
    number = int.from_bytes(scalar, "big")
    require(0 < number < curve.order, "pkcs8-der")
    key = ecc.PrivateKey(curve, number)
    if reader.peek() == 0xA0:
        require(reader.content(0xA0) == der.oid(curve.oid), "pkcs8-der")
    if reader.peek() == 0xA1:
        require(reader.content(0xA1) == der.bit_string(key.point), "private-key-mismatch")
    reader.finish()
    return key


class Definition:
    """A decoded key definition; `raw` is what was received."""

    def __init__(self, raw, form, key_id):
        self.raw, self.format, self.key_id = raw, form, key_id
        self.public, self.public_octets = None, b""
        self.private, self.private_octets = None, b""
        self.derivations = []


class Derivation:
    """One way to the secret of a derived key."""

    def __init__(self, item):
        parts = cbor.array(item, "derivation-structure", 4)
        self.reference = cbor.octets(parts[0], "derivation-structure", 16)
        self.salt = cbor.octets(parts[1], "derivation-structure")
        self.rounds = cbor.uint(parts[2], "derivation-structure")
        self.encrypted = cbor.octets(parts[3], "derivation-structure")


def parse(item):
    """A Definition from a decoded CBOR item."""
    parts = cbor.array(item, "key-structure")
    require(len(parts) >= 3, "key-structure")
    require(cbor.uint(parts[0], "key-structure") == CONTENT_KEY, "key-content")
    form = cbor.uint(parts[1], "key-structure")
    require(form in (EC, RSA, DERIVED), "key-format")
    found = Definition(item.raw, form, cbor.octets(parts[2], "key-id", 16))
    if form == DERIVED:
        count = len(parts) - 3
        require(1 <= count <= DERIVATIONS_MAX, "derivation-count")
        found.derivations = [Derivation(part) for part in parts[3:]]
        return found
    require(len(parts) == 5, "key-structure")
    found.public_octets = cbor.octets(parts[3], "key-structure")
    found.private_octets = cbor.octets(parts[4], "key-structure")
    require(found.public_octets, "public-key-missing")
    found.public = parse_spki(found.public_octets)
    require(found.public.kind == ("ec" if form == EC else "rsa"), "spki-algorithm")
    if found.private_octets:
        found.private = parse_pkcs8(found.private_octets, found.public)
    return found


def parse_octets(data):
    return parse(cbor.decode(data))


def use(found, held, rounds_left=ROUNDS_MAX_SIGNED, roots=()):
    """(secret, rounds spent) of a derived key.

    `held` maps a reference id to a secret (bytes) or a private key; the first
    derivation whose reference is in it is the one that is used (G 6).
    """
    for way in found.derivations:
        if way.reference in held:
            return _evaluate(way, held[way.reference], rounds_left, roots)
    raise Refusal("reference-unknown")


def _evaluate(way, reference, rounds_left, roots):
    spent = 0
    if isinstance(reference, bytes):
        require(len(way.salt) == 16, "salt-length")
        require(16 <= len(way.encrypted) <= 64, "encrypted-secret-length")
        require(way.rounds >= 1, "rounds-zero")
        require(way.rounds <= rounds_left, "rounds-too-many")
        spent = way.rounds
        pad = symmetric.pbkdf2(reference, way.salt, way.rounds, len(way.encrypted))
        secret = symmetric.xor(pad, way.encrypted)
    else:
        secret = cms.open_envelope(way.encrypted, reference)
        require(16 <= len(secret) <= 64, "secret-length")
    require(secret not in roots, "output-is-root")
    return secret, spent


def check_issued(found, held):
    """What an issuer does before it signs: all derivations give one secret."""
    secrets = set()
    for way in found.derivations:
        require(way.reference in held, "reference-unknown")
        secrets.add(_evaluate(way, held[way.reference], ROUNDS_MAX_SIGNED, ())[0])
    require(len(secrets) == 1, "derivations-differ")
    return secrets.pop()
