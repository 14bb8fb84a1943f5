"""keys.json: key definitions (7.2) and the secrets that derivations give."""

import cbor
import cms
import der
import ecc
import keys
import labels
import people
import rsa
from refusal import outcome
from vectors import file_octets, judged

ABOUT = ("Key definitions of 7.2 ('kind': definition), use of derivations (use) and the issuer's "
         "check (issue). Layouts 2.2, G 5, G 6, G 7; A-ASSURE-01, -05 to -09; OS-M2, OS-M3.")


def build():
    entries = _written() + _malformed() + _private_parts() + _derived_structures() + _derivations() + _limits() + _issuer()
    return {"keys.json": file_octets(ABOUT, entries)}


def _defined(name, data, expected=None, **fields):
    return judged(name, expected, outcome(keys.parse_octets, data), kind="definition",
                  bytes=data, **fields)


def _written():
    """What a writer makes."""
    rows = []
    for curve in ecc.CURVES.values():
        party = people.ec("keys/" + curve.name, curve)
        common = {"format": 0, "curve": curve.name, "key_id": party.key_id, "spki": party.spki,
                  "point": party.key.point}
        rows.append(_defined(curve.name + " public", party.definition, **common))
        rows.append(_defined(curve.name + " with private part",
                             keys.definition(party.key, party.key_id, private=True),
                             private_key=keys.pkcs8(party.key),
                             scalar=party.key.scalar.to_bytes(curve.width, "big"), **common))
    for bits in (2048, 3072, 4096):
        party = people.rsa_party("keys/rsa", bits)
        common = {"format": 1, "modulus_bits": bits, "key_id": party.key_id, "spki": party.spki,
                  "modulus": party.key.n.to_bytes(bits // 8, "big")}
        rows.append(_defined("RSA-%d public" % bits, party.definition, **common))
        if bits < 4096:
            rows.append(_defined("RSA-%d with private part" % bits,
                                 keys.definition(party.key, party.key_id, private=True),
                                 private_key=keys.pkcs8(party.key), **common))
    one = people.Secret("keys/derived")
    ref = people.Secret("keys/reference")
    rows.append(_defined("derived, one derivation", one.define(one.derived_from(ref)),
                         format=2, key_id=one.key_id, derivations=1))
    odd_id = bytes(range(16))
    rows.append(_defined("key id that is no UUID", keys.definition(people.ec("keys/P-256").key, odd_id),
                         format=0, curve="P-256", key_id=odd_id))
    return rows


def _malformed():
    """What a reader refuses while decoding."""
    ec, rs = people.ec("keys/P-256"), people.rsa_party("keys/rsa")
    kid, sp, point = ec.key_id, ec.spki, ec.key.point
    p256, ec_oid = ecc.P256, der.oid("1.2.840.10045.2.1")

    def ec_def(spki):
        return cbor.encode([1, 0, kid, spki, b""])

    def rsa_def(spki):
        return cbor.encode([1, 1, rs.key_id, spki, b""])

    def ec_spki(parameters, bits):
        return der.sequence(der.sequence(ec_oid, parameters), bits)

    named, good_bits = der.oid(p256.oid), der.bit_string(point)
    off_curve = point[:-1] + bytes([point[-1] ^ 1])
    foreign = ecc.PrivateKey.from_label(ecc.P384, "keys/other")
    n, e = rs.key.n, rs.key.e
    plain_bits = der.bit_string(der.sequence(der.integer(n), der.integer(e)))
    no_null = der.sequence(der.sequence(der.oid("1.2.840.113549.1.1.1")), plain_bits)
    pss = der.sequence(der.sequence(der.oid("1.2.840.113549.1.1.10")), plain_bits)
    long_form = b"\x30\x81" + sp[1:]
    cases = [
        ("content 0", cbor.encode([0, 0, kid, sp, b""]), "key-content"),
        ("content 3", cbor.encode([3, 0, kid, sp, b""]), "key-content"),
        ("format 3", cbor.encode([1, 3, kid, sp, b""]), "key-format"),
        ("format -1", cbor.encode([1, -1, kid, sp, b""]), "key-structure"),
        ("four items", cbor.encode([1, 0, kid, sp]), "key-structure"),
        ("six items", cbor.encode([1, 0, kid, sp, b"", b""]), "key-structure"),
        ("items swapped", cbor.encode([1, 0, sp, kid, b""]), "key-id"),
        ("id of 15 octets", cbor.encode([1, 0, kid[:15], sp, b""]), "key-id"),
        ("id of 17 octets", cbor.encode([1, 0, kid + b"\x00", sp, b""]), "key-id"),
        ("id as text", cbor.encode([1, 0, kid.hex(), sp, b""]), "key-id"),
        ("no ARRAY", cbor.encode({0: 1}), "key-structure"),
        ("empty ARRAY", cbor.encode([]), "key-structure"),
        ("public key empty", ec_def(b""), "public-key-missing"),
        ("public key null", cbor.encode([1, 0, kid, None, b""]), "key-structure"),
        ("private key as false", cbor.encode([1, 0, kid, sp, False]), "key-structure"),
        ("trailing octet after the ARRAY", ec_def(sp) + b"\x00", "cbor-trailing"),
        ("compressed point", ec_def(ec_spki(named, der.bit_string(ecc.compressed(p256, point)))), "ec-point"),
        ("hybrid point", ec_def(ec_spki(named, der.bit_string(bytes([6 | point[-1] & 1]) + point[1:]))), "ec-point"),
        ("point at infinity", ec_def(ec_spki(named, der.bit_string(b"\x00"))), "ec-point"),
        ("point off the curve", ec_def(ec_spki(named, der.bit_string(off_curve))), "ec-point"),
        ("coordinate not reduced", ec_def(ec_spki(named, der.bit_string(
            b"\x04" + p256.prime.to_bytes(32, "big") + point[33:]))), "ec-point"),
        ("point of another curve", ec_def(ec_spki(named, der.bit_string(foreign.point))), "ec-point"),
        ("explicit curve parameters", ec_def(ec_spki(_explicit(), good_bits)), "spki-curve"),
        ("implicit curve (NULL)", ec_def(ec_spki(der.null(), good_bits)), "spki-curve"),
        ("no curve", ec_def(ec_spki(b"", good_bits)), "spki-curve"),
        ("curve secp256k1", ec_def(ec_spki(der.oid("1.3.132.0.10"), good_bits)), "spki-curve"),
        ("algorithm ecDH", ec_def(der.sequence(der.sequence(
            der.oid("1.3.132.1.12"), named), good_bits)), "spki-algorithm"),
        ("unused bits in the point", ec_def(ec_spki(named, der.bit_string(point, 1))), "spki-der"),
        ("length not shortest in SPKI", ec_def(long_form), "spki-der"),
        ("trailing octet in SPKI", ec_def(sp + b"\x00"), "spki-der"),
        ("bare point instead of SPKI", ec_def(point), "spki-der"),
        ("EC format with RSA key", cbor.encode([1, 0, kid, rs.spki, b""]), "spki-algorithm"),
        ("RSA format with EC key", cbor.encode([1, 1, kid, sp, b""]), "spki-algorithm"),
        ("RSA exponent 3", rsa_def(keys.rsa_spki(n, 3)), "rsa-exponent"),
        ("RSA exponent 65539", rsa_def(keys.rsa_spki(n, 65539)), "rsa-exponent"),
        ("RSA modulus even", rsa_def(keys.rsa_spki(n - 1, e)), "rsa-size"),
        ("RSA without NULL", rsa_def(no_null), "spki-der"),
        ("RSASSA-PSS key", rsa_def(pss), "spki-algorithm"),
        ("RSAPublicKey instead of SPKI", rsa_def(der.sequence(der.integer(n), der.integer(e))), "spki-der"),
        ("derived without derivation", cbor.encode([1, 2, kid]), "derivation-count"),
    ]
    for bits in (1024, 2047, 4104):
        modulus = rsa.PrivateKey.from_label(bits, "keys/size").n if bits < 4000 else (1 << bits - 1) + 1
        cases.append(("RSA modulus of %d bits" % bits, rsa_def(keys.rsa_spki(modulus, e)), "rsa-size"))
    return [_defined(name, data, reason) for name, data, reason in cases]


def _private_parts():
    """Private parts that are no PKCS#8 v1 of the public one."""
    ec, rs = people.ec("keys/P-256"), people.rsa_party("keys/rsa")
    sp, p256 = ec.spki, ecc.P256
    other = ecc.PrivateKey.from_label(p256, "keys/other")
    foreign = ecc.PrivateKey.from_label(ecc.P384, "keys/other")
    v2 = keys.pkcs8(ec.key, version=1, attributes=der.context(1, b"\x00" + ec.key.point, False))

    def ec_def(spki, private):
        return cbor.encode([1, 0, ec.key_id, spki, private])

    def rsa_def(spki, private):
        return cbor.encode([1, 1, rs.key_id, spki, private])

    cases = [
        ("EC private of another key", ec_def(sp, keys.pkcs8(other)), "private-key-mismatch"),
        ("EC private of another curve", ec_def(sp, keys.pkcs8(foreign)), "pkcs8-algorithm"),
        ("EC private as PKCS#8 v2", ec_def(sp, v2), "pkcs8-version"),
        ("EC private as SEC 1", ec_def(sp, der.sequence(
            der.integer(1), der.octet_string(ec.key.scalar.to_bytes(32, "big")))), "pkcs8-version"),
        ("EC private as bare scalar", ec_def(sp, ec.key.scalar.to_bytes(32, "big")), "pkcs8-der"),
        ("EC private with trailing octet", ec_def(sp, keys.pkcs8(ec.key) + b"\x00"), "pkcs8-der"),
        ("EC private zero", ec_def(sp, _pkcs8_scalar(b"\x00" * 32)), "pkcs8-der"),
        ("EC private not below the order", ec_def(sp, _pkcs8_scalar(p256.order.to_bytes(32, "big"))), "pkcs8-der"),
        ("EC private PRESENT mask", ec_def(sp, b"PRESENT"), "pkcs8-der"),
        ("RSA private of another key", rsa_def(rs.spki, keys.pkcs8(
            rsa.PrivateKey.from_label(2048, "keys/other"))), "private-key-mismatch"),
        ("RSA private as PKCS#1", rsa_def(rs.spki, _pkcs1(rs.key)), "pkcs8-der"),
    ]
    return [_defined(name, data, reason) for name, data, reason in cases]


def _derived_structures():
    """Derivations that do not decode."""
    ref = people.Secret("keys/reference")
    one = people.Secret("keys/derived")
    way = one.derived_from(ref)
    cases = [
        ("nine derivations", keys.derived(one.key_id, [way] * 9), "derivation-count"),
        ("derivation of three items", keys.derived(one.key_id, [way[:3]]), "derivation-structure"),
        ("derivation of five items", keys.derived(one.key_id, [way + [b""]]), "derivation-structure"),
        ("derivations inside a list", keys.derived(one.key_id, [[way]]), "derivation-structure"),
        ("derivation items flat", keys.derived(one.key_id, way), "derivation-structure"),
        ("reference of 15 octets", keys.derived(one.key_id, [[way[0][:15]] + way[1:]]), "derivation-structure"),
        ("negative rounds", keys.derived(one.key_id, [way[:2] + [-1] + way[3:]]), "derivation-structure"),
        ("rounds 2^32", keys.derived(one.key_id, [way[:2] + [2**32] + way[3:]]), "derivation-structure"),
        ("salt as text", keys.derived(one.key_id, [[way[0], "salt", 1000, way[3]]]), "derivation-structure"),
    ]
    return [_defined(name, data, reason) for name, data, reason in cases]


def _explicit():
    """SpecifiedECDomain of P-256 (RFC 3279), which must be refused."""
    a, b = ecc.P256.prime - 3, 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    field = der.sequence(der.oid("1.2.840.10045.1.1"), der.integer(ecc.P256.prime))
    curve = der.sequence(der.octet_string(a.to_bytes(32, "big")), der.octet_string(b.to_bytes(32, "big")))
    base = ecc.PrivateKey(ecc.P256, 1).point
    return der.sequence(der.integer(1), field, curve, der.octet_string(base),
                        der.integer(ecc.P256.order), der.integer(1))


def _pkcs8_scalar(scalar):
    algorithm = der.sequence(der.oid("1.2.840.10045.2.1"), der.oid(ecc.P256.oid))
    inner = der.sequence(der.integer(1), der.octet_string(scalar))
    return der.sequence(der.integer(0), algorithm, der.octet_string(inner))


def _pkcs1(key):
    numbers = (0, key.n, key.e, key.d, key.p, key.q, key.d % (key.p - 1),
               key.d % (key.q - 1), pow(key.q, -1, key.p))
    return der.sequence(*(der.integer(number) for number in numbers))


def _used(name, data, held, expected=None, limit="signed", **fields):
    """`held` lists Parties and Secrets."""
    mapping, shown = {}, []
    for one in held:
        secret = isinstance(one, people.Secret)
        mapping[one.key_id] = one.secret if secret else one.key
        material = {"secret": one.secret} if secret else {"private_key": keys.pkcs8(one.key)}
        shown.append({"key_id": one.key_id, **material})
    rounds = keys.ROUNDS_MAX_SIGNED if limit == "signed" else keys.ROUNDS_MAX_HANDSHAKE
    good, value = outcome(lambda: keys.use(keys.parse_octets(data), mapping, rounds))
    if good:
        fields.update(secret=value[0], rounds_spent=value[1])
    return judged(name, expected, (good, value), kind="use", bytes=data, held=shown,
                  limit=limit, **fields)


def _derivations():
    """One, two and eight derivations by each kind of reference, and mixed ones."""
    key = people.Secret("keys/k")
    secrets = [people.Secret("keys/ref-secret-%d" % i) for i in range(8)]
    curves = [ecc.P256, ecc.P384, ecc.P521] + [ecc.P256] * 5
    ecs = [people.ec("keys/ref-ec-%d" % i, curve) for i, curve in enumerate(curves)]
    rsas = [people.rsa_party("keys/ref-rsa-%d" % i) for i in range(8)]
    rows = []
    for word, references in (("secret", secrets), ("EC", ecs), ("RSA", rsas)):
        for count in (1, 2, 8):
            ways = [key.derived_from(r) if word == "secret" else key.derived_to(r)
                    for r in references[:count]]
            data = key.define(*ways)
            rows.append(_used("%d by %s, first held" % (count, word), data, references[:1]))
            if count > 1:
                rows.append(_used("%d by %s, only the last held" % (count, word), data,
                                  references[count - 1:count]))
    both = key.define(key.derived_from(secrets[0]), key.derived_to(ecs[0]))
    rows.append(_used("device secret and owner EC, device side", both, secrets[:1]))
    rows.append(_used("device secret and owner EC, owner side", both, ecs[:1]))
    rows.append(_used("no reference held", both, rsas[:1], "reference-unknown"))
    other = people.Secret("keys/other-secret")
    unlike = keys.derived(key.key_id, [key.derived_from(secrets[0]), other.derived_from(secrets[1])])
    rows.append(_used("two derivations unlike, both held: the first counts", unlike, secrets[:2]))
    rows.append(_used("two derivations unlike, second held", unlike, secrets[1:2]))
    for party in (ecs[0], rsas[0]):
        way = keys.from_public(party.key_id, party.key, key.secret, "keys/ignored", b"\x01" * 16, 5)
        rows.append(_used("salt and rounds ignored with %s reference" % party.key.kind.upper(),
                          key.define(way), [party]))
    bound = _bound(key, ecs[0])
    rows.append(_used("ukm in a derivation", key.define(bound), ecs[:1], "cms-binding"))
    bound = _bound(key, rsas[0])
    rows.append(_used("OAEP label in a derivation", key.define(bound), rsas[:1], "cms-binding"))
    way = key.derived_to(ecs[0])
    way[3] = way[3][:-1] + bytes([way[3][-1] ^ 1])
    rows.append(_used("CMS content changed", key.define(way), ecs[:1], "cms-padding"))
    rows.append(_used("CMS for another key under this reference", key.define(
        [ecs[0].key_id] + key.derived_to(ecs[3])[1:]), ecs[:1], "cms-unwrap"))
    for size in (15, 65):
        short = people.Secret("keys/cms-size", size=size)
        rows.append(_used("CMS secret of %d octets" % size, short.define(short.derived_to(ecs[0])),
                          ecs[:1], "secret-length"))
    return rows


def _bound(key, party):
    """A derivation that carries a binding, which belongs to images only (G 13)."""
    envelope = cms.envelope(party.key, party.key_id, key.secret, "keys/bound", b"\x11" * 32)
    return [party.key_id, b"", 0, envelope]


def _limits():
    """Salt, length and rounds at use."""
    ref = people.Secret("keys/ref-secret-0")
    salt = labels.octets("keys/limit-salt", 27)
    rows = []
    for size in (16, 20, 32, 48, 64):
        key = people.Secret("keys/size-%d" % size, size=size)
        rows.append(_used("secret of %d octets" % size, key.define(key.derived_from(ref)), [ref]))
    key = people.Secret("keys/k")
    for size in (0, 15, 17, 27):
        way = keys.from_secret(ref.key_id, ref.secret, key.secret, salt[:size])
        rows.append(_used("salt of %d octets" % size, key.define(way), [ref], "salt-length"))
    for size in (0, 1, 15, 65):
        cut = labels.octets("keys/cut", size)
        way = [ref.key_id, salt[:16], 1000, cut]
        rows.append(_used("encrypted secret of %d octets" % size, key.define(way), [ref],
                          "encrypted-secret-length"))
    for rounds, expected, limit in ((1, None, "signed"), (100000, None, "signed"),
                                    (100001, "rounds-too-many", "signed"),
                                    (0, "rounds-zero", "signed"),
                                    (20000, None, "handshake"),
                                    (20001, "rounds-too-many", "handshake"),
                                    (2**32 - 1, "rounds-too-many", "signed")):
        way = [ref.key_id, salt[:16], rounds, key.secret]
        if expected is None:
            way = key.derived_from(ref, rounds)
        rows.append(_used("%d rounds, limit of a %s" % (rounds, limit), key.define(way), [ref],
                          expected, limit))
    return rows


def _issuer():
    """G 6: an issuer checks that all derivations agree before it signs."""
    key, other = people.Secret("keys/k"), people.Secret("keys/other-secret")
    a, b = people.Secret("keys/ref-secret-0"), people.ec("keys/ref-ec-0")
    rows = []
    for name, expected, ways in (
            ("issuer: both derivations agree", None, (key.derived_from(a), key.derived_to(b))),
            ("issuer: derivations differ", "derivations-differ", (other.derived_from(a), key.derived_to(b)))):
        data = key.define(*ways)
        mapping = {a.key_id: a.secret, b.key_id: b.key}
        result = outcome(lambda: keys.check_issued(keys.parse_octets(data), mapping))
        rows.append(judged(name, expected, result, kind="issue", bytes=data, held=[
            {"key_id": a.key_id, "secret": a.secret},
            {"key_id": b.key_id, "private_key": keys.pkcs8(b.key)}]))
    return rows
