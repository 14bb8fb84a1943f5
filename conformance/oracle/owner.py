"""Owner data of 15.5 and what its signature binds (layouts 2.6; OS-C2 over A-ASSURE-20)."""

import hashlib

import cbor
import sign
from refusal import require

CONTENT_OWNER = 5


def binding(uuid, key_id, definition):
    """The 69 octets that are signed before the owner ARRAY."""
    return cbor.encode([uuid, key_id, hashlib.sha256(definition).digest()])


def make(uuid, key_id, definition, sequence, signer, created_at, valid_until=0):
    """(octets, to-be-signed octets) of owner data."""
    items = [cbor.encode(CONTENT_OWNER), cbor.encode(sequence)]
    prefix = binding(uuid, key_id, definition)
    return sign.close(items, signer, created_at, valid_until, prefix)


class OwnerData:
    """A decoded owner ARRAY, not yet trusted."""

    def __init__(self, item):
        parts = cbor.array(item, "owner-structure", 3)
        require(cbor.uint(parts[0], "owner-structure") == CONTENT_OWNER, "owner-content")
        self.sequence = cbor.uint(parts[1], "owner-sequence")
        self.signature = sign.Signature(parts[2])
        self.raw = item.raw
        self._covered = self.signature.covered(item)

    def tbs(self, uuid, key_id, definition):
        return binding(uuid, key_id, definition) + self._covered
