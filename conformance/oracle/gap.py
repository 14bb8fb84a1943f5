"""Air-gap files and the authority's bundle (layouts 2.11, G 22, G 23, OS-H7, OS-M11)."""

import hashlib

import cbor
import cms
import keys
import sign
from refusal import require

TAG, VERSION = "assure-gap", 1
BUNDLE_TAG = "assure-ta"
SUBMIT, REGISTRATION, BOOTSTRAP, REJECTED, REFILL, ENROL, ANSWER, GENERATION = range(8)


def make(sender_id, recipient_id, sequence, kind, content, signer, created_at):
    """(octets, tbs) of one file; `content` is the CMS (kind 5: the plaintext itself)."""
    items = [TAG, VERSION, sender_id, recipient_id, sequence, kind, content]
    return sign.close([cbor.encode(i) for i in items], signer, created_at)


def name(recipient_text, sequence):
    return "%s-%010d.gap" % (recipient_text, sequence)


class GapFile:
    """A decoded file, not yet trusted."""

    def __init__(self, data):
        item = cbor.decode(data)
        parts = cbor.array(item, "gap-structure", 8)
        require(parts[0].kind == "text" and parts[0].value == TAG, "gap-tag")
        require(cbor.uint(parts[1], "gap-structure") == VERSION, "gap-version")
        self.sender = cbor.octets(parts[2], "gap-structure", 16)
        self.recipient = cbor.octets(parts[3], "gap-structure", 16)
        self.sequence = cbor.uint(parts[4], "gap-sequence")
        self.kind = cbor.uint(parts[5], "gap-structure")
        require(self.kind <= GENERATION, "gap-kind")
        self.content = cbor.octets(parts[6], "gap-structure")
        self.signature = sign.Signature(parts[7])
        self.tbs = self.signature.covered(item)


def read(data, me, senders, last):
    """(kind, plaintext). `me`: (party id, private key); `senders`: party id -> (key id, key).

    The sequence number is judged after the signature: a forged file moves nothing.
    """
    found = GapFile(data)
    require(found.recipient == me[0], "gap-recipient")
    if found.kind == ENROL:
        key_id, key = _self_named(found)
    else:
        require(found.sender in senders, "gap-sender")
        key_id, key = senders[found.sender]
    require(found.signature.key_id == key_id, "gap-sender")
    found.signature.check(key, found.tbs)
    require(found.sequence > last, "gap-repeated")
    require(found.sequence == last + 1, "gap-hole")
    if found.kind == ENROL:
        return found.kind, found.content
    return found.kind, cms.open_envelope(found.content, me[1])


def _self_named(found):
    """A kind 5 file is signed by the gap key inside it; a person compares the fingerprint."""
    parts = cbor.array(cbor.decode(found.content), "gap-content", 3)
    definition = keys.parse_octets(cbor.octets(parts[1], "gap-content"))
    return definition.key_id, definition.public


def fingerprint(content):
    """What `identity enrol` compares: SHA-256 of a kind 5 content."""
    return hashlib.sha256(content).digest()


def make_bundle(ta_id, roots, generation, upload_spki, signer, created_at):
    """(octets, tbs) of ta.bundle; `roots` are definitions of 7.2, EC first."""
    items = [cbor.encode(BUNDLE_TAG), cbor.encode(VERSION), cbor.encode(ta_id),
             cbor.encode([cbor.Raw(root) for root in roots]), cbor.encode(generation), cbor.encode(upload_spki)]
    return sign.close(items, signer, created_at)


def read_bundle(data):
    """The parts of a bundle that its own EC root signed; trust comes from how it was handed over."""
    item = cbor.decode(data)
    parts = cbor.array(item, "bundle-structure", 7)
    require(parts[0].kind == "text" and parts[0].value == BUNDLE_TAG, "bundle-tag")
    require(cbor.uint(parts[1], "bundle-structure") == VERSION, "bundle-version")
    cbor.octets(parts[2], "bundle-structure", 16)
    roots = [keys.parse(root) for root in cbor.array(parts[3], "bundle-structure", 2)]
    require([root.format for root in roots] == [keys.EC, keys.RSA], "bundle-structure")
    require(roots[0].public.curve.name == "P-256", "bundle-structure")
    require(not any(root.private_octets for root in roots), "private-key-present")
    require(cbor.uint(parts[4], "bundle-structure") >= 1, "bundle-structure")
    upload = keys.parse_spki(cbor.octets(parts[5], "bundle-structure"))
    require(upload.kind == "ec" and upload.curve.name == "P-521", "bundle-structure")
    signature = sign.Signature(parts[6])
    require(signature.key_id == roots[0].key_id, "bundle-signer")
    signature.check(roots[0].public, signature.covered(item))
    return roots
