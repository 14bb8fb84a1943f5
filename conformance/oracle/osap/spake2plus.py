"""SPAKE2+ of RFC 9383 over P-256 with SHA-256, as docs/osap-secure.md section 5 uses it."""

import hashlib

from . import curve

M = curve.decompress(bytes.fromhex("02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f"))
N = curve.decompress(bytes.fromhex("03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49"))
SCRYPT, PBKDF2 = 1, 2
ROUNDS = 600000


def prefixed(data):
    """Eight octets of length, little-endian as the RFC has it, then the data."""
    return len(data).to_bytes(8, "little") + data


def stretch(kdf, code, serial, realm):
    """(salt, w0s || w1s)."""
    password = prefixed(code) + prefixed(serial) + prefixed(realm)
    salt = hashlib.sha256(b"OSAP-H1 pw salt\x00" + serial).digest()
    if kdf == SCRYPT:
        return salt, hashlib.scrypt(password, salt=salt, n=2**15, r=8, p=1, dklen=80, maxmem=2**26)
    return salt, hashlib.pbkdf2_hmac("sha256", password, salt, ROUNDS, 80)


def reduce(stretched):
    """(w0, w1): both halves modulo the order."""
    return tuple(int.from_bytes(part, "big") % curve.N for part in (stretched[:40], stretched[40:]))


def record(w1):
    """L, which the verifier stores beside w0."""
    return curve.multiply(w1, curve.G)


def blind(scalar, w0, constant):
    """scalar * G + w0 * constant: shareP with M, shareV with N."""
    return curve.add(curve.multiply(scalar, curve.G), curve.multiply(w0, constant))


def prover(x, w0, w1, share_v):
    """(Z, V) of the device."""
    base = curve.add(share_v, curve.negate(curve.multiply(w0, N)))
    return curve.multiply(x, base), curve.multiply(w1, base)


def verifier(y, w0, point_l, share_p):
    """(Z, V) of the Lbs; None stands for infinity."""
    base = curve.add(share_p, curve.negate(curve.multiply(w0, M)))
    return curve.multiply(y, base), curve.multiply(y, point_l)


def transcript(context, id_prover, id_verifier, share_p, share_v, z, v, w0):
    """TT; shares as the octets on the wire."""
    parts = [context, id_prover, id_verifier, curve.encode(M), curve.encode(N), share_p, share_v,
             curve.encode(z), curve.encode(v), w0.to_bytes(32, "big")]
    return b"".join(prefixed(part) for part in parts)


def main_key(tt):
    return hashlib.sha256(tt).digest()
