"""The bootstrap image of 15.5: its writer, and a reader that applies every rule in order.

The reader is the oracle's verdict on the image vectors. Order of the checks: size,
CBOR, structure, header hygiene, bootstrap server, keys one by one, owner data, final
signature, device record, decryption. README.md lists the reason codes in this order.
Clauses: layouts 2.7, G 10, G 15, G 16, G 17; OS-C1, C2, H1, H2, H4, H5, H7, M1, M13, M15.
"""

import hashlib

import authkeys
import cbor
import cms
import owner
import payload
import sign
from refusal import outcome, require

SIZE_MAX = 65536
KEYS_MAX = 16
SEQUENCE_STEP_MAX = 1024
FUTURE_MAX = 24 * 3600


def binding(uuid, signer_id, sequence):
    """b of OS-M1 and G 13: ties a payload to device, signer and sequence number."""
    return hashlib.sha256(uuid + signer_id + sequence.to_bytes(4, "big")).digest()


def make(key_octets, owner_octets, decryption_key_id, encrypted, signer, created_at, valid_until=0):
    """The octets of an image."""
    items = list(key_octets) + [owner_octets, cbor.encode(decryption_key_id), cbor.encode(encrypted)]
    return sign.close(items, signer, created_at, valid_until)[0]


class Record:
    """What the device remembers (G 17)."""

    def __init__(self, generation=1, sequence=0, owner_hash=b"", created_at=0, image_hash=b"",
                 walled_garden=False):
        self.generation, self.sequence = generation, sequence
        self.owner_hash, self.created_at = owner_hash, created_at
        self.image_hash, self.walled_garden = image_hash, walled_garden

    def shown(self):
        return dict(self.__dict__)


class Device:
    """The device key and the factory roots; `roots` are authkeys.Known without signer."""

    def __init__(self, uuid, roots, private=None, secret=None, spki=b"", secret_roots=()):
        self.uuid, self.roots = uuid, roots
        self.private, self.secret, self.spki = private, secret, spki
        self.secret_roots = secret_roots

    def store(self):
        """The empty staged store: roots and device key only (OS-H2)."""
        held = {self.uuid: self.secret if self.secret is not None else self.private}
        own = [] if self.private is None else [authkeys.Known(
            authkeys.DEVICE, self.uuid, self.private, {authkeys.OWNER_UUID: self.uuid})]
        return authkeys.Store(self.roots + own, held, self.uuid, self.secret_roots)


class Image:
    """A decoded image, not yet trusted."""

    def __init__(self, data):
        require(len(data) <= SIZE_MAX, "image-too-large")
        item = cbor.decode(data)
        parts = cbor.array(item, "image-structure")
        require(len(parts) >= 5, "image-structure")
        require(len(parts) - 4 <= KEYS_MAX, "too-many-keys")
        for part in parts[:-4] + [parts[-4], parts[-1]]:
            require(part.kind == "array" and part.value, "image-structure")
        contents = [part.value[0].value for part in parts[:-4]]
        require(all(content == 0 for content in contents), "image-structure")
        require(parts[-4].value[0].value == 5 and parts[-1].value[0].value == 4, "image-structure")
        self.keys = [authkeys.AuthenticatedKey(part) for part in parts[:-4]]
        self.owner = owner.OwnerData(parts[-4])
        self.decryption_key_id = cbor.octets(parts[-3], "image-structure", 16)
        self.encrypted = cbor.octets(parts[-2], "image-structure")
        self.signature = sign.Signature(parts[-1])
        self.tbs = self.signature.covered(item)
        self.hash = hashlib.sha256(data).digest()

    def key(self, key_id):
        """The image's own key of that id, or None."""
        return next((k for k in self.keys if k.definition.key_id == key_id), None)


def judge(data, device, record, session=None, now=None):
    """What commit 1 stores, or a Refusal. The payload is decoded last (commit 2)."""
    image = Image(data)
    _hygiene(image, device)
    _bootstrap_server(image, session)
    store = device.store()
    for key in image.keys:
        if key.definition.key_id == device.uuid:
            continue
        found = store.take(key, now)
        if found.class_ == authkeys.BOOTSTRAP:
            garden = record.walled_garden and image.owner.sequence == record.sequence
            require(found.signer.class_ == authkeys.AUTHORITY or garden, "class3-signer")
    final = _final_signer(image, store)
    generation = _owner_data(image, store, device, record, final, now)
    _final_signature(image, final, now)
    _record(image, record, generation, final, now)
    plaintext = _decrypt(image, device, store, final)
    return {
        "keys": [{"key_id": k.definition.key_id, "class": k.class_} for k in image.keys
                 if k.definition.key_id != device.uuid],
        "record": Record(generation, image.owner.sequence, _hash(final), image.signature.created_at,
                         image.hash, record.walled_garden
                         and (generation, image.owner.sequence) == (record.generation, record.sequence)
                         ).shown(),
        "payload": plaintext,
    }


def _hash(known):
    return hashlib.sha256(known.definition.raw).digest()


def _hygiene(image, device):
    """OS-M15, OS-C2, G 16."""
    require(not any(k.definition.private_octets for k in image.keys), "private-key-present")
    ids = [k.definition.key_id for k in image.keys]
    require(len(set(ids)) == len(ids), "duplicate-key-id")
    require(not any(root.key_id in ids for root in device.roots), "duplicate-key-id")
    own = image.key(device.uuid)
    if own is not None:
        require(device.spki and own.definition.public_octets == device.spki, "device-key-mismatch")


def _bootstrap_server(image, session):
    """The server of this session must be in the image as class 3 (15.4, OS-C1)."""
    if session is None:
        return
    code = "bootstrap-server-not-confirmed"
    if "spki" in session:
        good = [k for k in image.keys if k.class_ == authkeys.BOOTSTRAP
                and k.definition.public_octets == session["spki"]]
        require(good, code)
        return
    by_octets = {k.definition.raw: k.class_ for k in image.keys}
    require(all(definition in by_octets for definition in session["hint"]), code)
    require(by_octets[session["hint"][-1]] == authkeys.BOOTSTRAP, code)


def _final_signer(image, store):
    """OS-C2: class 2, from this image, its own signer class 1."""
    key_id = image.signature.key_id
    require(image.key(key_id) is not None and key_id in store.known, "final-signer-unknown")
    final = store.known[key_id]
    require(final.class_ == authkeys.MANAGEMENT, "final-signer-class")
    require(final.signer.class_ == authkeys.AUTHORITY, "final-signer-signer")
    require(final.key is not None, "reference-unknown")
    return final


def _owner_data(image, store, device, record, final, now):
    """G 10, A-ASSURE-27: by a class 1 key that a factory root signed; the generation.

    Owner data of an installed class 0 root carries no generation: the stored one stays.
    """
    signer = store.known.get(image.owner.signature.key_id)
    require(signer is not None, "owner-signer")
    if signer.class_ == authkeys.MANUFACTURER:
        require(signer.is_root, "owner-signer")
        generation = record.generation
    else:
        require(signer.class_ == authkeys.AUTHORITY and not signer.is_root, "owner-signer")
        require(signer.signer.is_root, "owner-signer")
        generation = signer.metadata.get(authkeys.GENERATION)
    require(generation is not None, "generation-missing")
    image.owner.signature.check_time(now)
    tbs = image.owner.tbs(device.uuid, final.key_id, final.definition.raw)
    good, code = outcome(image.owner.signature.check, signer.key, tbs)
    require(good, "owner-signature" if code == "bad-signature" else code)
    return generation


def _final_signature(image, final, now):
    require(image.signature.created_at != 0, "created-at-zero")
    image.signature.check(final.key, image.tbs)
    if now is not None:
        require(image.signature.created_at <= now + FUTURE_MAX, "created-at-future")
        require(not image.signature.valid_until or now <= image.signature.valid_until, "expired")


def _record(image, record, generation, final, now):
    """OS-H5, H7, M13: nothing goes back."""
    sequence, created = image.owner.sequence, image.signature.created_at
    require(generation >= record.generation, "generation-lower")
    if generation > record.generation:
        return
    require(sequence >= record.sequence, "sequence-lower")
    require(sequence <= record.sequence + SEQUENCE_STEP_MAX, "sequence-too-far")
    if sequence > record.sequence:
        return
    require(_hash(final) == record.owner_hash, "owner-differs")
    require(created >= record.created_at, "created-at-older")
    same = created > record.created_at or image.hash == record.image_hash
    require(same, "created-at-equal")


def _decrypt(image, device, store, final):
    """The payload's plaintext."""
    key_id = image.decryption_key_id
    if device.secret is not None:
        require(key_id == final.key_id, "decryption-key")
        return payload.unseal(final.key, image.encrypted)
    require(key_id == device.uuid, "decryption-key")
    bound = binding(device.uuid, final.key_id, image.owner.sequence)
    return cms.open_envelope(image.encrypted, device.private, bound)
