"""signatures.json: every signature format over an authenticated key, and wrong pairs."""

import authkeys
import cbor
import ecc
import people
import sign
from refusal import outcome
from vectors import file_octets, judged

ABOUT = ("Signatures of 7.3 and 7.9 over one authenticated key. 'bytes' is the whole key, 'tbs' what is "
         "signed, 'signature' its last item, 'signer' the verification key. A-ASSURE-18, -19, -21, -22; G 8.")

SUBJECT = people.ec("signatures/subject")


def build():
    entries = _formats() + _pairs() + _values() + _changed() + _structures()
    return {"signatures.json": file_octets(ABOUT, entries)}


def _check(data, key):
    found = authkeys.AuthenticatedKey(cbor.decode(data))
    found.signature.check(key, found.tbs)
    return found


def _row(name, data, signer, expected=None, **fields):
    """One vector; `signer` is a Party or a Secret."""
    secret = isinstance(signer, people.Secret)
    key = signer.secret if secret else signer.key
    shown = {"key_id": signer.key_id, "secret": signer.secret} if secret else signer.published()
    good, value = outcome(_check, data, key)
    if good:
        fields.update(tbs=value.tbs, signature=cbor.decode(data).value[4].raw,
                      format=value.signature.format)
    return judged(name, expected, (good, value), bytes=data, signer=shown, **fields)


def _make(signer, form=None, created=people.NOON, until=0):
    key = signer.secret if isinstance(signer, people.Secret) else signer.key
    return authkeys.make(authkeys.CHANNEL, SUBJECT.definition, {},
                         sign.Signer(key, signer.key_id, form), created, until)[0]


def _signers():
    return {
        0: people.ec("signatures/p256"), 1: people.ec("signatures/p384", ecc.P384),
        2: people.ec("signatures/p521", ecc.P521), 8: people.rsa_party("signatures/rsa2048"),
        9: people.rsa_party("signatures/rsa3072", 3072), 10: people.rsa_party("signatures/rsa2048"),
        16: people.Secret("signatures/secret"), 17: people.Secret("signatures/secret", size=48),
        18: people.Secret("signatures/secret", size=64),
    }


def _formats():
    rows = [_row("format %d" % form, _make(signer, form), signer)
            for form, signer in _signers().items()]
    rows.append(_row("format 9 with a 2048-bit key", _make(_signers()[8], 9), _signers()[8]))
    rows.append(_row("format 17 with a 32-octet secret", _make(_signers()[16], 17), _signers()[16]))
    rows.append(_row("valid_until set", _make(_signers()[0], 0, until=people.NOON + 3600), _signers()[0]))
    rows.append(_row("timestamps at their limit",
                     _make(_signers()[0], 0, 2**32 - 1, 2**32 - 1), _signers()[0]))
    return rows


def _pairs():
    """Formats that do not fit the key: refused although the mathematics would hold."""
    by = _signers()
    rows = []
    for form in (0, 1, 2):
        for other in (0, 1, 2):
            if form != other:
                # values of a larger curve are too long for the format and fail while decoding
                reason = "format-key-mismatch" if other < form else "signature-length"
                rows.append(_row("format %d with the key of format %d" % (form, other),
                                 _make(by[other], form), by[other], reason))
    rows.append(_row("EC format against an RSA key", _make(by[0]), by[8], "format-key-mismatch"))
    rows.append(_row("RSA format against an EC key", _make(by[8]), by[0], "format-key-mismatch"))
    rows.append(_row("HMAC format against an EC key", _make(by[16]), by[0], "format-key-mismatch"))
    public = people.Secret("signatures/confused")
    public.secret, public.key_id = by[0].spki, by[0].key_id
    rows.append(_row("HMAC keyed with the public key's octets", _make(public), by[0],
                     "format-key-mismatch"))
    rows.append(_row("EC format against a secret", _make(by[0]), by[16], "format-key-mismatch"))
    rows.append(_row("RSA format against a secret", _make(by[8]), by[16], "format-key-mismatch"))
    return rows


def _with_values(data, values):
    """The same key with other final values."""
    item = cbor.decode(data)
    parts = item.value[4].value
    fixed = [part.plain() for part in parts[:5]]
    body = data[:item.value[4].start]
    return body + cbor.encode(fixed + values)


def _values():
    """Widths and ranges of r, s and the HMAC value."""
    signer = people.ec("signatures/p256")
    created = people.NOON
    while True:
        data = _make(signer, 0, created)
        r, s = (part.value for part in cbor.decode(data).value[4].value[5:])
        if r[0] == 0:
            break
        created += 1
    rows = [_row("r with its leading zero octet", data, signer),
            _row("r without its leading zero octet", _with_values(data, [r[1:], s]), signer)]
    data = _make(signer, 0)
    r, s = (part.value for part in cbor.decode(data).value[4].value[5:])
    order = ecc.P256.order
    high = order - int.from_bytes(s, "big")
    rows.append(_row("the other s (n - s)", _with_values(data, [r, high.to_bytes(32, "big")]), signer,
                     reading="R-06"))
    zero, full = b"\x00" * 32, order.to_bytes(32, "big")
    for name, values, reason in (
            ("r of 33 octets", [b"\x00" + r, s], "signature-length"),
            ("s of 33 octets", [r, b"\x00" + s], "signature-length"),
            ("r empty", [b"", s], "signature-length"), ("s empty", [r, b""], "signature-length"),
            ("both empty", [b"", b""], "signature-length"),
            ("r zero", [zero, s], "bad-signature"), ("s zero", [r, zero], "bad-signature"),
            ("r is the order", [full, s], "bad-signature"), ("s is the order", [r, full], "bad-signature"),
            ("r and s swapped", [s, r], "bad-signature"),
            ("r flipped", [flip(r), s], "bad-signature"), ("s flipped", [r, flip(s)], "bad-signature")):
        rows.append(_row(name, _with_values(data, values), signer, reason))
    for form, digest in ((16, "sha256"), (17, "sha384"), (18, "sha512")):
        signer = _signers()[form]
        data = _make(signer, form)
        value = cbor.decode(data).value[4].value[5].value
        for name, other, reason in (
                ("truncated by one", value[:-1], "signature-length"),
                ("truncated to 16 octets", value[:16], "signature-length"),
                ("empty", b"", "signature-length"), ("one octet longer", value + b"\x00", "signature-length"),
                ("flipped", flip(value), "bad-signature")):
            rows.append(_row("HMAC %s %s" % (digest, name), _with_values(data, [other]), signer, reason))
    signer = _signers()[8]
    data = _make(signer)
    value = cbor.decode(data).value[4].value[5].value
    number = int.from_bytes(value, "big") + signer.key.n
    wide = number.to_bytes(257, "big") if number >> 2048 else number.to_bytes(256, "big")
    for name, other, reason in (
            ("RSA value flipped", flip(value), "bad-signature"),
            ("RSA value one octet longer", b"\x00" + value, "bad-signature"),
            ("RSA value one octet short", value[1:], "signature-length"),
            ("RSA value plus modulus", wide, "bad-signature"),
            ("RSA value zero", b"\x00" * 256, "bad-signature"),
            ("RSA value empty", b"", "signature-length")):
        rows.append(_row(name, _with_values(data, [other]), signer, reason))
    return rows


def flip(octets, bit=0):
    return octets[:-1] + bytes([octets[-1] ^ 1 << bit])


def _changed():
    """One change in each covered field."""
    signer = people.ec("signatures/p256")
    data = _make(signer, 0)
    other = people.ec("signatures/other-subject")
    rows = []
    for name, place, reason in (
            ("class changed", (1,), "bad-signature"), ("created_at changed", (4, 2), "bad-signature"),
            ("valid_until changed", (4, 3), "bad-signature"),
            ("signer id changed", (4, 4), "bad-signature"),
            ("key id changed", (2, 2), "bad-signature")):
        item = cbor.decode(data)
        for index in place:
            item = item.value[index]
        changed = data[:item.end - 1] + bytes([data[item.end - 1] ^ 1]) + data[item.end:]
        rows.append(_row(name, changed, signer, reason))
    replaced = data.replace(SUBJECT.definition, other.definition)
    rows.append(_row("definition replaced", replaced, signer, "bad-signature"))
    with_metadata = data.replace(b"\xa0" + b"\x87\x04\x00", b"\xa1\x01\x01" + b"\x87\x04\x00")
    rows.append(_row("metadata added", with_metadata, signer, "bad-signature"))
    return rows


def _structures():
    """Signature ARRAYs that do not decode."""
    signer = people.ec("signatures/p256")
    data = _make(signer, 0)
    item = cbor.decode(data)
    body = data[:item.value[4].start]
    good = [part.plain() for part in item.value[4].value]
    rsa_good = [part.plain() for part in cbor.decode(_make(_signers()[8])).value[4].value]
    mac_good = [part.plain() for part in cbor.decode(_make(_signers()[16])).value[4].value]
    cases = [("content 5", [5] + good[1:], "signature-content"),
             ("content 1", [1] + good[1:], "signature-content"),
             ("EC of six items", good[:6], "signature-structure"),
             ("EC of eight items", good + [b""], "signature-structure"),
             ("RSA of seven items", rsa_good + [b""], "signature-structure"),
             ("RSA of five items", rsa_good[:5], "signature-structure"),
             ("HMAC of seven items", mac_good + [b""], "signature-structure"),
             ("HMAC of five items", mac_good[:5], "signature-structure"),
             ("signer id of 15 octets", good[:4] + [good[4][:15]] + good[5:], "key-id"),
             ("created_at negative", good[:2] + [-1] + good[3:], "timestamp"),
             ("created_at 2^32", good[:2] + [2**32] + good[3:], "timestamp"),
             ("valid_until negative", good[:3] + [-1] + good[4:], "timestamp"),
             ("valid_until 2^32", good[:3] + [2**32] + good[4:], "timestamp"),
             ("r as integer", good[:5] + [1] + good[6:], "signature-structure"),
             ("r as text", good[:5] + ["r"] + good[6:], "signature-structure"),
             ("format negative", [4, -1] + good[2:], "signature-structure")]
    cases += [("reserved format %d" % form, [4, form] + good[2:], "signature-format")
              for form in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15, 19, 255)]
    rows = [_row(name, body + cbor.encode(parts), signer, reason) for name, parts, reason in cases]
    bare = cbor.head(4, 4) + body[1:]
    rows.append(_row("signature missing", bare, signer, "authenticated-key-structure"))
    return rows
