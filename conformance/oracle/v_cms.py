"""cms.json: EnvelopedData to a raw EC or RSA key, good and bad."""

import cms
import der
import ecc
import keys
import labels
import people
import rsa
import symmetric
from refusal import outcome
from vectors import file_octets, judged

ABOUT = ("CMS EnvelopedData (layouts 2.5, G 12, G 13, OS-M1). 'binding' is the ukm (EC) or OAEP label (RSA) "
         "that must stand in it; null: none may. 'written' false: a form that only other writers make.")
BINDING = labels.octets("cms/binding", 32)
SECRET = labels.octets("cms/plaintext", 32)
EC = people.ec("cms/ec")
RSA = people.rsa_party("cms/rsa")


def build():
    entries = _good() + _foreign() + _bound() + _ec_bad() + _rsa_bad() + _content_bad() + _encoding_bad()
    return {"cms.json": file_octets(ABOUT, entries)}


def _row(name, data, party, binding=None, expected=None, **fields):
    good, value = outcome(cms.open_envelope, data, party.key, binding)
    if good:
        fields.update(plaintext=value)
    return judged(name, expected, (good, value), bytes=data, binding=binding,
                  recipient={"kind": party.key.kind, "key_id": party.key_id,
                             "private_key": keys.pkcs8(party.key)}, **fields)


def _inputs(party, label):
    """What a writer with the same randomness needs."""
    shown = {"cek": cms.content_key(label), "iv": labels.octets(label + "/iv", 16)}
    if party.key.kind == "ec":
        curve = party.key.curve
        scalar = ecc.PrivateKey.from_label(curve, label + "/ephemeral").scalar
        shown["ephemeral_scalar"] = scalar.to_bytes(curve.width, "big")
    else:
        shown["oaep_seed"] = labels.octets(label + "/seed", 32)
    return shown


def _good():
    rows = []
    parties = [("P-256", EC), ("P-384", people.ec("cms/p384", ecc.P384)),
               ("P-521", people.ec("cms/p521", ecc.P521)), ("RSA-2048", RSA),
               ("RSA-3072", people.rsa_party("cms/rsa3072", 3072))]
    for name, party in parties:
        for word, binding in (("unbound", None), ("bound", BINDING)):
            label = "cms/%s/%s" % (name, word)
            data = cms.envelope(party.key, party.key_id, SECRET, label, binding)
            rows.append(_row("%s %s" % (name, word), data, party, binding, written=True,
                             inputs=_inputs(party, label)))
    for size in (0, 1, 15, 16, 17, 300, 5000):
        label = "cms/size/%d" % size
        data = cms.envelope(EC.key, EC.key_id, labels.octets(label, size), label)
        rows.append(_row("P-256, %d octets" % size, data, EC, written=True, inputs=_inputs(EC, label)))
    return rows


def _ec(name, padded=None, wrap=None, plaintext=SECRET, key_id=EC.key_id, point=None, **variant):
    label = "cms/variant/" + name
    info = cms.ec_recipient(ecc.P256, point or EC.key.point, key_id, cms.content_key(label), label, **variant)
    return cms.wrap_content([info], plaintext, label, padded, **(wrap or {}))


def _rsa(name, key_id=RSA.key_id, **variant):
    label = "cms/variant/" + name
    info = cms.rsa_recipient(RSA.key.n, key_id, cms.content_key(label), label, **variant)
    return cms.wrap_content([info], SECRET, label)


def _foreign():
    """Other writers' choices that readers take."""
    ski = labels.octets("cms/ski", 20)
    return [
        _row("EC, originator key without curve parameters", _ec("no-parameters", parameters=False), EC,
             written=False),
        _row("EC, recipient id of 20 octets", _ec("ski", key_id=ski), EC, written=False),
        _row("EC, recipient id of another key", _ec("other-id", key_id=labels.uuid("cms/else")), EC,
             written=False),
        _row("RSA, hash identifiers without NULL", _rsa("no-null", null=False), RSA, written=False),
        _row("RSA bound, hash identifiers without NULL", _rsa("no-null-label", null=False, label=BINDING),
             RSA, BINDING, written=False),
        _row("RSA, recipient id of 20 octets", _rsa("ski", key_id=ski), RSA, written=False),
    ]


def _bound():
    """The ukm or label must be there exactly when it is asked for (OS-M1)."""
    other = labels.octets("cms/other-binding", 32)
    rows = []
    for word, party, make in (("EC", EC, lambda n, b: _ec(n, ukm=b)),
                              ("RSA", RSA, lambda n, b: _rsa(n, label=b or b""))):
        rows += [
            _row(word + ", binding asked for and absent", make("absent", None), party, BINDING, "cms-binding"),
            _row(word + ", binding present and not asked for", make("present", BINDING), party, None, "cms-binding"),
            _row(word + ", another binding", make("other", other), party, BINDING, "cms-binding"),
            _row(word + ", binding cut to 31 octets", make("cut", BINDING[:31]), party, BINDING, "cms-binding"),
            _row(word + ", binding flipped in place",
                 make("flip", BINDING).replace(BINDING, other), party, other, "cms-unwrap"),
        ]
    rows.append(_row("EC, empty ukm", _ec("empty", ukm=b""), EC, None, "cms-binding"))
    return rows


def _ec_bad():
    good = _ec("base")
    ephemeral = ecc.PrivateKey.from_label(ecc.P256, "cms/variant/base/ephemeral").point
    p384 = ecc.PrivateKey.from_label(ecc.P384, "cms/foreign")
    stranger = people.ec("cms/stranger")
    sha1 = _ec("sha1", scheme=cms.STD_DH_SHA1, digest="sha1")
    cofactor = _ec("cofactor", scheme="1.3.132.1.14.1")
    off = ephemeral[:-1] + bytes([ephemeral[-1] ^ 1])
    label = "cms/variant/p384-originator"
    foreign = cms.originator_key(ecc.P384, p384.point)
    mine = cms.originator_key(ecc.P256, ecc.PrivateKey.from_label(ecc.P256, label + "/ephemeral").point)
    swapped = _rebuild(label, mine, foreign)
    short = _rebuild("cms/variant/compressed", None, None, compress=True)
    rows = [
        _row("EC, key derivation with SHA-1", sha1, EC, None, "cms-algorithm"),
        _row("EC, cofactor DH scheme", cofactor, EC, None, "cms-algorithm"),
        _row("EC, SHA-1 derivation under the SHA-256 name", _ec("sha1-hidden", digest="sha1"), EC, None, "cms-unwrap"),
        _row("EC, recipient version 2", _ec("kari2", version=2), EC, None, "cms-version"),
        _row("EC, ephemeral point off the curve", good.replace(ephemeral, off), EC, None, "ec-point"),
        _row("EC, ephemeral point negated", good.replace(ephemeral, ecc.negated(ecc.P256, ephemeral)), EC,
             reading="R-12", written=False),
        _row("EC, ephemeral key on another curve", swapped, EC, None, "cms-originator"),
        _row("EC, ephemeral point compressed", short, EC, None, "ec-point"),
        _row("EC, for another recipient", _ec("stranger", point=stranger.key.point), EC, None, "cms-unwrap"),
        _row("EC envelope opened with an RSA key", good, RSA, None, "cms-recipients"),
    ]
    wrapped_at = good.rindex(b"\x04\x18") + 2
    changed = good[:wrapped_at] + bytes([good[wrapped_at] ^ 1]) + good[wrapped_at + 1:]
    rows.append(_row("EC, wrapped key flipped", changed, EC, None, "cms-unwrap"))
    return rows


def _rebuild(label, mine, foreign, compress=False):
    """A KARI with another originator key in its place, lengths adjusted."""
    info = cms.ec_recipient(ecc.P256, EC.key.point, EC.key_id, cms.content_key(label), label)
    body = der.Reader(info, "").inside(0xA1)
    version = body.element()[2]
    original = body.element()[2]
    rest = body.data[body.position:]
    if compress:
        point = ecc.PrivateKey.from_label(ecc.P256, label + "/ephemeral").point
        inner = der.sequence(der.oid(cms.EC_KEY), der.oid(ecc.P256.oid))
        foreign = der.context(1, inner + der.bit_string(ecc.compressed(ecc.P256, point)))
    else:
        assert original == der.context(0, mine)
    return cms.wrap_content([der.context(1, version + der.context(0, foreign) + rest)], SECRET, label)


def _rsa_bad():
    label = "cms/variant/v15"
    cek = cms.content_key(label)
    v15 = cms.ktri(RSA.key_id, der.sequence(der.oid(cms.RSA_KEY), der.null()),
                   rsa.pkcs1_encrypt(RSA.key.n, cek, label))
    hidden = cms.ktri(RSA.key_id, der.sequence(der.oid(cms.OAEP), cms.oaep_parameters()),
                      rsa.pkcs1_encrypt(RSA.key.n, cek, label))
    bare = cms.ktri(RSA.key_id, der.sequence(der.oid(cms.OAEP), der.sequence()),
                    rsa.oaep_encrypt(RSA.key.n, cek, label, digest="sha1"))
    mixed = der.sequence(
        der.context(0, der.sequence(der.oid(cms.SHA256), der.null())),
        der.context(1, der.sequence(der.oid(cms.MGF1), der.sequence(der.oid(cms.SHA1), der.null()))))
    mgf_sha1 = cms.ktri(RSA.key_id, der.sequence(der.oid(cms.OAEP), mixed),
                        rsa.oaep_encrypt(RSA.key.n, cek, label))
    good = _rsa("rsa-base")
    stranger = people.rsa_party("cms/rsa-stranger")
    number = int.from_bytes(_ktri_value(good), "big") + RSA.key.n
    rows = [
        _row("RSA, PKCS #1 v1.5", cms.wrap_content([v15], SECRET, label), RSA, None, "cms-algorithm"),
        _row("RSA, v1.5 under the OAEP name", cms.wrap_content([hidden], SECRET, label), RSA, None, "cms-unwrap"),
        _row("RSA, OAEP with SHA-1", _rsa("oaep-sha1", digest="sha1"), RSA, None, "cms-algorithm"),
        _row("RSA, OAEP default parameters (SHA-1)", cms.wrap_content([bare], SECRET, label), RSA, None, "cms-der"),
        _row("RSA, MGF1 with SHA-1", cms.wrap_content([mgf_sha1], SECRET, label), RSA, None, "cms-algorithm"),
        _row("RSA, for another recipient", good, stranger, None, "cms-unwrap"),
        _row("RSA envelope opened with an EC key", good, EC, None, "cms-recipients"),
        _row("RSA, ciphertext flipped", good.replace(_ktri_value(good), _flipped(_ktri_value(good))), RSA,
             None, "cms-unwrap"),
    ]
    if number >> 2048 == 0:
        wide = good.replace(_ktri_value(good), number.to_bytes(256, "big"))
        rows.append(_row("RSA, ciphertext plus modulus", wide, RSA, None, "cms-unwrap"))
    return rows


def _flipped(octets):
    return octets[:-1] + bytes([octets[-1] ^ 1])


def _ktri_value(data):
    """The encrypted key of an RSA envelope."""
    place = data.index(b"\x04\x82\x01\x00")
    return data[place + 4:place + 4 + 256]


def _content_bad():
    good = _ec("base")
    label = "cms/variant/two"
    info = cms.ec_recipient(ecc.P256, EC.key.point, EC.key_id, cms.content_key(label), label)
    other = cms.ec_recipient(ecc.P256, EC.key.point, EC.key_id, cms.content_key(label), label + "2")
    data = "1.2.840.113549.1.7.2"
    block = symmetric.pad(SECRET)
    short = cms.wrap_content([info], b"", label, padded=block)
    return [
        _row("two recipients", cms.wrap_content([info, other], SECRET, label), EC, None, "cms-recipients"),
        _row("no recipient", cms.wrap_content([], SECRET, label), EC, None, "cms-der"),
        _row("EnvelopedData version 0", _ec("v0", wrap={"version": 0}), EC, None, "cms-version"),
        _row("EnvelopedData version 3", _ec("v3", wrap={"version": 3}), EC, None, "cms-version"),
        _row("content type signed-data inside", _ec("type", wrap={"content_type": data}), EC, None, "cms-content-type"),
        _row("ContentInfo of signed-data", good.replace(der.oid(cms.ENVELOPED), der.oid(data)), EC, None,
             "cms-content-type"),
        _row("unprotected attributes", _ec("attributes", wrap={"attributes": der.context(1, der.sequence())}),
             EC, None, "cms-der"),
        _row("AES-256-CBC named", good.replace(der.oid(cms.CBC_128), der.oid("2.16.840.1.101.3.4.1.42")), EC,
             None, "cms-algorithm"),
        _row("padding octet 0", _ec("pad0", padded=SECRET + b"\x00" * 16), EC, None, "cms-padding"),
        _row("padding octet 17", _ec("pad17", padded=SECRET + b"\x11" * 16), EC, None, "cms-padding"),
        _row("padding octets unlike", _ec("pad-mixed", padded=SECRET + b"\x01" * 14 + b"\x02\x03"), EC, None,
             "cms-padding"),
        _row("content of no whole block", short[:-1], EC, None, "cms-der"),
        _row("content empty", _ec("empty-content", padded=b""), EC, None, "cms-padding"),
        _row("content flipped in its last block", _flipped(good), EC, None, "cms-padding"),
    ]


def _encoding_bad():
    good = _ec("base")
    inner = der.Reader(good, "").content(0x30)
    number = len(inner)
    rows = [
        _row("BER, indefinite outer length", b"\x30\x80" + inner + b"\x00\x00", EC, None, "cms-der"),
        _row("BER, length not shortest", b"\x30\x83" + number.to_bytes(3, "big") + inner, EC, None, "cms-der"),
        _row("trailing octet", good + b"\x00", EC, None, "cms-der"),
        _row("last octet missing", good[:-1], EC, None, "cms-der"),
        _row("empty", b"", EC, None, "cms-der"),
        _row("EnvelopedData without ContentInfo", der.Reader(inner[11:], "").content(0xA0), EC, None, "cms-der"),
        _row("PEM", b"-----BEGIN CMS-----\n", EC, None, "cms-der"),
    ]
    encrypted = good[-48:]
    assert good[-50:-48] == b"\x80\x30"
    rows.append(_row("BER, content in constructed pieces", _constructed(encrypted), EC, None, "cms-der"))
    return rows


def _constructed(encrypted):
    """[0] constructed around two OCTET STRINGs instead of one primitive [0]."""
    label = "cms/variant/base"
    info = cms.ec_recipient(ecc.P256, EC.key.point, EC.key_id, cms.content_key(label), label)
    pieces = der.octet_string(encrypted[:16]) + der.octet_string(encrypted[16:])
    content = der.sequence(
        der.oid(cms.DATA),
        der.sequence(der.oid(cms.CBC_128), der.octet_string(labels.octets(label + "/iv", 16))),
        der.context(0, pieces))
    enveloped = der.sequence(der.integer(2), der.set_of(info), content)
    return der.sequence(der.oid(cms.ENVELOPED), der.context(0, enveloped))
