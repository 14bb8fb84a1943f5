"""The maker's record: JSON of 9.2.1, station signature, ECIES on P-521 (G 20, OS-M11, TS-L6)."""

import base64
import hashlib
import hmac
import json

import cbor
import ecc
import labels
import sign
import symmetric
from refusal import Refusal, require

PLAINTEXT_MAX = 16 * 1024
CAPABILITIES = ("ec_capable", "rsa_capable", "sha384_capable", "sha512_capable", "aes256_capable")


def pem(spki):
    """PEM of a SubjectPublicKeyInfo, lines of 64."""
    text = base64.b64encode(spki).decode()
    lines = [text[i:i + 64] for i in range(0, len(text), 64)]
    return "-----BEGIN PUBLIC KEY-----\n" + "\n".join(lines) + "\n-----END PUBLIC KEY-----\n"


def json_octets(fields):
    """Compact JSON in the order of 9.2.1."""
    return json.dumps(fields, separators=(",", ":")).encode()


def close(json_bytes, station, created_at):
    """The plaintext: ARRAY of JSON octets and the station's signature."""
    return sign.close([cbor.encode(json_bytes)], station, created_at)


def shared_infos(point, uuid, maker_id):
    return point + uuid, maker_id + uuid


def seal(plaintext, recipient_point, uuid, maker_id, label, padded=None):
    """R || ciphertext || tag; the ephemeral scalar comes from `label`."""
    ephemeral = ecc.PrivateKey.from_label(ecc.P521, label + "/ephemeral")
    info1, info2 = shared_infos(ephemeral.point, uuid, maker_id)
    derived = symmetric.x963_kdf("sha512", ephemeral.exchange(recipient_point), info1, 96)
    padded = symmetric.pad(plaintext) if padded is None else padded
    sealed = symmetric.cbc_encrypt(derived[:32], b"\x00" * 16, padded)
    tag = hmac.new(derived[32:], sealed + info2, hashlib.sha512).digest()
    return ephemeral.point + sealed + tag


def unseal(blob, key, uuid, maker_id):
    """The plaintext of a blob."""
    require(len(blob) >= 133 + 16 + 64, "ecies-structure")
    point, sealed, tag = blob[:133], blob[133:-64], blob[-64:]
    require(len(sealed) % 16 == 0, "ecies-structure")
    require(len(sealed) <= PLAINTEXT_MAX + 16, "record-too-large")
    info1, info2 = shared_infos(point, uuid, maker_id)
    derived = symmetric.x963_kdf("sha512", key.exchange(point), info1, 96)
    good = hmac.compare_digest(hmac.new(derived[32:], sealed + info2, hashlib.sha512).digest(), tag)
    require(good, "ecies-mac")
    plaintext = symmetric.cbc_decrypt(derived[:32], b"\x00" * 16, sealed, "ecies-padding")
    require(len(plaintext) <= PLAINTEXT_MAX, "record-too-large")
    return plaintext


def read(blob, key, uuid, maker_id, stations):
    """(JSON octets, decoded JSON) of an upload; `stations`: key id -> Party."""
    item = cbor.decode(unseal(blob, key, uuid, maker_id))
    parts = cbor.array(item, "record-structure", 2)
    text = cbor.octets(parts[0], "record-structure")
    signature = sign.Signature(parts[1])
    require(signature.key_id in stations, "unknown-station")
    signature.check(stations[signature.key_id].key, signature.covered(item))
    return text, read_json(text, uuid)


def read_json(text, uuid):
    """The decoded record, whose id must be the UUID of the call."""
    try:
        fields = json.loads(text.decode(), object_pairs_hook=_unique)
    except ValueError:
        raise Refusal("record-json") from None
    require(isinstance(fields, dict), "record-json")
    require(str(fields.get("id", "")).lower() == labels.uuid_text(uuid), "record-id")
    server = fields.get("bootstrap_server")
    require(isinstance(server, int) and not isinstance(server, bool) and 0 <= server < 2**32, "record-field")
    for name in ("case_string", "parameter_set"):
        require(isinstance(fields.get(name), str), "record-field")
    require(isinstance(fields.get("capabilities"), dict), "record-field")
    require(all(isinstance(fields["capabilities"].get(n), bool) for n in CAPABILITIES), "record-field")
    require(("shared_secret" in fields) != ("public_key" in fields), "record-key")
    if "shared_secret" in fields:
        secret = fields["shared_secret"]
        good = isinstance(secret, str) and 32 <= len(secret) <= 128 and len(secret) % 2 == 0
        require(good and all(c in "0123456789abcdefABCDEF" for c in secret), "record-key")
    return fields


def _unique(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("duplicate name")
    return dict(pairs)
