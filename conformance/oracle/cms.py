"""CMS EnvelopedData for one raw public key, DER only (layouts 2.5, G 12, G 13, OS-M1).

EC: KeyAgreeRecipientInfo, ephemeral-static ECDH with the X9.63 KDF on SHA-256,
AES-128 key wrap. RSA: KeyTransRecipientInfo with RSAES-OAEP, SHA-256 throughout.
Content: AES-128-CBC. The writers take deviations so that vectors of input that
must be refused come from the same code.
"""

import der
import ecc
import labels
import rsa
import symmetric
from refusal import require

ENVELOPED, DATA = "1.2.840.113549.1.7.3", "1.2.840.113549.1.7.1"
EC_KEY = "1.2.840.10045.2.1"
STD_DH_SHA256, STD_DH_SHA1 = "1.3.132.1.11.1", "1.3.133.16.840.63.0.2"
WRAP_128, CBC_128 = "2.16.840.1.101.3.4.1.5", "2.16.840.1.101.3.4.1.2"
OAEP, MGF1, P_SPECIFIED = ("1.2.840.113549.1.1." + n for n in ("7", "8", "9"))
RSA_KEY = "1.2.840.113549.1.1.1"
SHA256, SHA1 = "2.16.840.1.101.3.4.2.1", "1.3.14.3.2.26"

_WRAP = der.sequence(der.oid(WRAP_128))


def shared_info(ukm):
    """ECC-CMS-SharedInfo of RFC 5753 section 7.2 for a 128-bit wrapping key."""
    entity = der.context(0, der.octet_string(ukm)) if ukm is not None else b""
    bits = der.context(2, der.octet_string((128).to_bytes(4, "big")))
    return der.sequence(_WRAP, entity, bits)


def _content_info(recipients, iv, encrypted, version=2, content_type=DATA, attributes=b""):
    content = der.sequence(
        der.oid(content_type),
        der.sequence(der.oid(CBC_128), der.octet_string(iv)),
        der.context(0, encrypted, constructed=False))
    enveloped = der.sequence(der.integer(version), der.set_of(*recipients), content, attributes)
    return der.sequence(der.oid(ENVELOPED), der.context(0, enveloped))


def originator_key(curve, point, parameters=True):
    named = der.oid(curve.oid) if parameters else b""
    algorithm = der.sequence(der.oid(EC_KEY), named)
    return der.context(1, algorithm + der.bit_string(point))


def ec_recipient(curve, point, key_id, cek, label, ukm=None, scheme=STD_DH_SHA256,
                 parameters=True, digest="sha256", version=3):
    """A KeyAgreeRecipientInfo; the ephemeral scalar comes from `label`."""
    ephemeral = ecc.PrivateKey.from_label(curve, label + "/ephemeral")
    kek = symmetric.x963_kdf(digest, ephemeral.exchange(point), shared_info(ukm), 16)
    rid = der.context(0, der.octet_string(key_id))
    return der.context(1, b"".join((
        der.integer(version),
        der.context(0, originator_key(curve, ephemeral.point, parameters)),
        der.context(1, der.octet_string(ukm)) if ukm is not None else b"",
        der.sequence(der.oid(scheme), _WRAP),
        der.sequence(der.sequence(rid, der.octet_string(symmetric.wrap(kek, cek)))))))


def oaep_parameters(label=b"", digest=SHA256, null=True):
    """RSAES-OAEP-params; pSpecified only when there is a label."""
    hashed = der.sequence(der.oid(digest), der.null() if null else b"")
    source = der.sequence(der.oid(P_SPECIFIED), der.octet_string(label))
    return der.sequence(
        der.context(0, hashed),
        der.context(1, der.sequence(der.oid(MGF1), hashed)),
        der.context(2, source) if label else b"")


def rsa_recipient(n, key_id, cek, seed_label, label=b"", digest="sha256", null=True):
    """A KeyTransRecipientInfo of version 2 (subjectKeyIdentifier)."""
    dotted = SHA256 if digest == "sha256" else SHA1
    algorithm = der.sequence(der.oid(OAEP), oaep_parameters(label, dotted, null))
    encrypted = rsa.oaep_encrypt(n, cek, seed_label + "/seed", label, digest)
    return ktri(key_id, algorithm, encrypted)


def ktri(key_id, algorithm, encrypted):
    return der.sequence(der.integer(2), der.context(0, key_id, constructed=False),
                        algorithm, der.octet_string(encrypted))


def content_key(label):
    return labels.octets(label + "/cek", 16)


def wrap_content(recipients, plaintext, label, padded=None, **variant):
    """The ContentInfo around finished recipients; CEK and IV come from `label`."""
    iv = labels.octets(label + "/iv", 16)
    padded = symmetric.pad(plaintext) if padded is None else padded
    encrypted = symmetric.cbc_encrypt(content_key(label), iv, padded)
    return _content_info(recipients, iv, encrypted, **variant)


def envelope(recipient, key_id, plaintext, label, binding=None):
    """The form that writers use: `recipient` is a private or public key object.

    `binding` is the ukm (EC) or OAEP label (RSA) of OS-M1, or None.
    """
    cek = content_key(label)
    if recipient.kind == "ec":
        info = ec_recipient(recipient.curve, recipient.point, key_id, cek, label, binding)
    else:
        info = rsa_recipient(recipient.n, key_id, cek, label, binding or b"")
    return wrap_content([info], plaintext, label)


# --- reading -----------------------------------------------------------------

def open_envelope(data, key, binding=None):
    """The plaintext; the ukm or label must be exactly `binding` (None: absent)."""
    outer = der.single(data, "cms-der")
    _expect_oid(outer, ENVELOPED, "cms-content-type")
    explicit = outer.inside(0xA0)
    outer.finish()
    body = explicit.inside(0x30)
    explicit.finish()
    require(body.integer() == 2, "cms-version")
    recipients = body.inside(0x31)
    tag, recipient, _ = recipients.element()
    require(recipients.ended(), "cms-recipients")
    content = body.inside(0x30)
    body.finish()
    iv, encrypted = _content(content)
    if key.kind == "ec":
        require(tag == 0xA1, "cms-recipients")
        cek = _open_ec(der.Reader(recipient, "cms-der"), key, binding)
    else:
        require(tag == 0x30, "cms-recipients")
        cek = _open_rsa(der.Reader(recipient, "cms-der"), key, binding)
    require(len(cek) == 16, "cms-unwrap")
    return symmetric.cbc_decrypt(cek, iv, encrypted, "cms-padding")


def _expect_oid(reader, dotted, code):
    require(reader.element(0x06)[2] == der.oid(dotted), code)


def _content(reader):
    _expect_oid(reader, DATA, "cms-content-type")
    algorithm = reader.inside(0x30)
    _expect_oid(algorithm, CBC_128, "cms-algorithm")
    iv = algorithm.content(0x04)
    algorithm.finish()
    require(len(iv) == 16, "cms-algorithm")
    encrypted = reader.content(0x80)
    reader.finish()
    return iv, encrypted


def _open_ec(reader, key, binding):
    require(reader.integer() == 3, "cms-version")
    originator = reader.inside(0xA0)
    require(originator.peek() == 0xA1, "cms-originator")
    public = originator.inside(0xA1)
    originator.finish()
    algorithm = public.inside(0x30)
    _expect_oid(algorithm, EC_KEY, "cms-originator")
    if not algorithm.ended():
        _expect_oid(algorithm, key.curve.oid, "cms-originator")
    algorithm.finish()
    bits = public.content(0x03)
    public.finish()
    require(bits[:1] == b"\x00", "cms-der")
    ukm = None
    if reader.peek() == 0xA1:
        explicit = reader.inside(0xA1)
        ukm = explicit.content(0x04)
        explicit.finish()
    scheme = reader.inside(0x30)
    _expect_oid(scheme, STD_DH_SHA256, "cms-algorithm")
    require(scheme.element(0x30)[2] == _WRAP, "cms-algorithm")
    scheme.finish()
    keys = reader.inside(0x30)
    reader.finish()
    entry = keys.inside(0x30)
    require(keys.ended(), "cms-recipients")
    require(entry.peek() == 0xA0, "cms-recipient-id")
    entry.inside(0xA0).content(0x04)
    wrapped = entry.content(0x04)
    entry.finish()
    require(ukm == binding, "cms-binding")
    secret = key.exchange(bits[1:])
    kek = symmetric.x963_kdf("sha256", secret, shared_info(ukm), 16)
    return symmetric.unwrap(kek, wrapped, "cms-unwrap")


def _open_rsa(reader, key, binding):
    require(reader.integer() == 2, "cms-version")
    require(reader.peek() == 0x80, "cms-recipient-id")
    reader.content(0x80)
    algorithm = reader.inside(0x30)
    _expect_oid(algorithm, OAEP, "cms-algorithm")
    label = _oaep_label(algorithm.element(0x30)[2])
    algorithm.finish()
    encrypted = reader.content(0x04)
    reader.finish()
    require(label == binding, "cms-binding")
    return rsa.oaep_decrypt(key, encrypted, label or b"")


def _oaep_label(parameters):
    """The label of acceptable parameters (None: absent)."""
    for null in (True, False):
        if parameters == oaep_parameters(null=null):
            return None
    outer = der.single(parameters, "cms-der")
    fixed = outer.element()[2] + outer.element()[2]
    require(fixed in (der.single(oaep_parameters(null=n), "").data for n in (True, False)),
            "cms-algorithm")
    source = outer.inside(0xA2)
    outer.finish()
    choice = source.inside(0x30)
    source.finish()
    _expect_oid(choice, P_SPECIFIED, "cms-algorithm")
    label = choice.content(0x04)
    choice.finish()
    require(label, "cms-der")
    return label
