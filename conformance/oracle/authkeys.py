"""Authenticated keys of 7.4, the signing matrix of 7.7, and the store they are checked against."""

import cbor
import keys
import sign
from refusal import require

CONTENT_IDENTITY = 0
MANUFACTURER, AUTHORITY, MANAGEMENT, BOOTSTRAP, DEVICE, CHANNEL = range(6)
CLASS_NAMES = ("manufacturer", "authority", "management", "bootstrap", "device", "channel")
# A-ASSURE-02: row = class of the signer, column = class of what it signs
MATRIX = ("YYNNYN", "NYYYYN", "NNYYYY", "NNNNNN", "NNNNNY", "NNNNNN")
CHAIN_MAX = 8
OWNER_UUID, GENERATION = 0, 1


def may_sign(signer_class, signed_class):
    return MATRIX[signer_class][signed_class] == "Y"


def make(class_, definition, metadata, signer, created_at, valid_until=0):
    """(octets, to-be-signed octets) of an authenticated key."""
    items = [cbor.encode(CONTENT_IDENTITY), cbor.encode(class_), definition, cbor.encode(metadata)]
    return sign.close(items, signer, created_at, valid_until)


class AuthenticatedKey:
    """A decoded 7.4 ARRAY, not yet trusted."""

    def __init__(self, item):
        parts = cbor.array(item, "authenticated-key-structure", 5)
        content = cbor.uint(parts[0], "authenticated-key-structure")
        require(content == CONTENT_IDENTITY, "authenticated-key-content")
        self.class_ = cbor.uint(parts[1], "authenticated-key-structure")
        require(self.class_ <= CHANNEL, "class")
        self.definition = keys.parse(parts[2])
        self.metadata = _metadata(parts[3])
        self.signature = sign.Signature(parts[4])
        self.tbs = self.signature.covered(item)
        self.raw = item.raw


def _metadata(item):
    """{0: uuid, 1: generation} as far as present; other integer keys are ignored."""
    require(item.kind == "map", "metadata")
    found = {}
    for key, value in item.value:
        require(key.kind in ("uint", "negative"), "metadata")
        if key.value == OWNER_UUID:
            found[OWNER_UUID] = cbor.octets(value, "metadata", 16)
        if key.value == GENERATION:
            found[GENERATION] = cbor.uint(value, "metadata")
            require(found[GENERATION] >= 1, "metadata")
    return found


class Known:
    """A key in the store; `key` verifies what it signs: a public key or a secret."""

    def __init__(self, class_, key_id, key, metadata=None, signer=None, definition=None):
        self.class_, self.key_id, self.key = class_, key_id, key
        self.metadata, self.signer = metadata or {}, signer
        self.definition = definition
        self.length = 1 if signer is None else signer.length + 1
        self.signatures = []

    @property
    def is_root(self):
        return self.signer is None


class Store:
    """Keys already present, and what the receiver can derive with (its device key)."""

    def __init__(self, present=(), held=None, device_uuid=None, roots=()):
        self.known = {key.key_id: key for key in present}
        self.held = dict(held or {})
        self.device_uuid, self.secret_roots = device_uuid, roots

    def accept(self, data, now=None):
        """Checks octets against 7.4 and, if all holds, keeps the key."""
        return self.take(AuthenticatedKey(cbor.decode(data)), now)

    def take(self, found, now=None):
        """The five checks of 7.4 in the order of the reason codes."""
        signature, definition = found.signature, found.definition
        require(signature.key_id != definition.key_id, "self-signed")
        hmac_by_device = signature.key_id == self.device_uuid and signature.format >= 16
        require(not hmac_by_device, "signed-by-device-secret")
        require(signature.key_id in self.known, "unknown-signer")
        signer = self.known[signature.key_id]
        # a key id already in the store is compared by the caller (10.1.1)
        require(definition.key_id not in self.known, "duplicate-key-id")
        require(may_sign(signer.class_, found.class_), "class-not-allowed")
        if (signer.class_, found.class_) == (DEVICE, CHANNEL):
            same = signer.metadata.get(OWNER_UUID) == found.metadata.get(OWNER_UUID)
            require(same and OWNER_UUID in found.metadata, "metadata-mismatch")
        require(signer.length < CHAIN_MAX, "chain-too-long")
        signature.check_time(now)
        for upper in _upward(signer):
            upper.check_time(now)
        signature.check(signer.key, found.tbs)
        known = Known(found.class_, definition.key_id, self._key(definition),
                      found.metadata, signer, definition)
        known.signatures = [signature]
        self.known[known.key_id] = known
        return known

    def _key(self, definition):
        """The key for checking signatures; None if no reference of a secret is held."""
        if definition.public:
            return definition.public
        if not any(way.reference in self.held for way in definition.derivations):
            return None
        secret, _ = keys.use(definition, self.held, roots=self.secret_roots)
        self.held[definition.key_id] = secret
        return secret


def _upward(known):
    """The signatures from a key to its root."""
    while known is not None:
        yield from known.signatures
        known = known.signer
