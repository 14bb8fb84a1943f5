"""Complete worlds for the image vectors: one device of each kind with all parties around it."""

import hashlib

import authkeys
import cbor
import cms
import ecc
import image
import keys
import labels
import owner
import payload
import people
import symmetric
from authkeys import AUTHORITY, BOOTSTRAP, CHANNEL, MANAGEMENT

ROOT_SALT = b"assure/root"
PORT = 49683
ADDRESS = bytes([192, 0, 2, 10])
NOON = people.NOON


def root_secret(secret, uuid):
    """(K_root, its key id) of D-09."""
    salt = ROOT_SALT + uuid
    return symmetric.pbkdf2(secret, salt, 1000, 32), hashlib.sha256(salt).digest()[:16]


def channel_definition(local, peer):
    """The body of PUT /v1/channels/1 with all privileges (layouts 2.8, G 19)."""
    return cbor.encode([local, peer, [True] * 5, [1, ADDRESS, 0, PORT]])


class Owner:
    """What an owner holds for one device: its class 2 key as the authority signed it."""

    def __init__(self, party, definition, key_octets):
        self.party, self.definition, self.key_octets = party, definition, key_octets


class PublicWorld:
    """EC or RSA: root, online class 1, bootstrap server, owners A and B, a stranger."""

    def __init__(self, name, make_party, device_party):
        self.name, self.make_party = name, make_party
        self.root = make_party(name + "/root", 3072)
        self.online = make_party(name + "/online", 3072)
        self.bootstrap = make_party(name + "/bootstrap", 2048)
        self.uuid = labels.uuid(name + "/device")
        self.device_party = device_party(name + "/device-key", self.uuid)
        self.online_key = self.sign(AUTHORITY, self.online, self.root, {1: 1})
        self.bootstrap_key = self.sign(BOOTSTRAP, self.bootstrap, self.online)
        self.owner_a = self._owner("a")
        self.owner_b = self._owner("b")
        self.channel_secret = None

    def _owner(self, word):
        party = self.make_party("%s/owner-%s" % (self.name, word), 2048)
        return Owner(party, party.definition, self.sign(MANAGEMENT, party, self.online))

    @staticmethod
    def sign(class_, subject, signer, metadata=None, created=NOON - 86400, until=0):
        return authkeys.make(class_, subject.definition, metadata or {}, signer.signer, created, until)[0]

    def device(self, uuid=None, roots=()):
        known = [authkeys.Known(AUTHORITY, self.root.key_id, self.root.key)] + list(roots)
        return image.Device(uuid or self.uuid, known, private=self.device_party.key,
                            spki=self.device_party.spki)

    def header(self, who):
        """The keys of the configuration in their order (G 15)."""
        return [self.online_key, self.bootstrap_key, who.key_octets]

    def owner_data(self, who, sequence, signer=None, uuid=None, created=NOON - 3600):
        return owner.make(uuid or self.uuid, who.party.key_id, who.definition, sequence,
                          (signer or self.online).signer, created)[0]

    def messages(self, who):
        """The first payload: channel 1 to the owner."""
        return [payload.message(0, "/v1/channels/1", channel_definition(self.uuid, who.party.key_id))]

    def encrypt(self, who, sequence, plaintext, label, bound=True):
        tie = image.binding(self.uuid, who.party.key_id, sequence) if bound is True else bound
        return cms.envelope(self.device_party.key, self.uuid, plaintext, "%s/%s" % (self.name, label), tie)

    def image(self, who=None, sequence=1, created=NOON, label="image", **parts):
        """The genuine image, with single parts replaced by `parts`."""
        who = who or self.owner_a
        plaintext = parts.get("plaintext", payload.encode(self.messages(who)))
        encrypted = parts["encrypted"] if "encrypted" in parts else self.encrypt(
            who, sequence, plaintext, label)
        return image.make(
            parts.get("keys", self.header(who)),
            parts.get("owner", self.owner_data(who, sequence)),
            parts.get("decryption_key_id", self.uuid), encrypted,
            parts.get("signer", who.party.signer), created, parts.get("until", 0))

    def session(self):
        return {"spki": self.bootstrap.spki}

    def shown(self):
        """The world as the vector file tells it."""
        return {
            "device": {"kind": self.device_party.key.kind, "uuid": self.uuid,
                       "definition": self.device_party.definition, "spki": self.device_party.spki,
                       "private_key": keys.pkcs8(self.device_party.key)},
            "roots": [{"class": AUTHORITY, "key_id": self.root.key_id, "definition": self.root.definition}],
            "parties": {word: party.published() for word, party in (
                ("root", self.root), ("online", self.online), ("bootstrap", self.bootstrap),
                ("owner_a", self.owner_a.party), ("owner_b", self.owner_b.party))},
            "authenticated_keys": {"online": self.online_key, "bootstrap": self.bootstrap_key,
                                   "owner_a": self.owner_a.key_octets, "owner_b": self.owner_b.key_octets},
            "session": self.session(),
        }


class SharedOwner(Owner):
    """An owner of a shared-secret device: K_n, wrapped to the owner's EC key."""

    def __init__(self, party, ms, definition, key_octets):
        super().__init__(party, definition, key_octets)
        self.ms = ms


class SharedWorld:
    """SS: device secret, K_root, T, W, bootstrap secret, owners A and B with K_1 and K_2."""

    def __init__(self, name):
        self.name, self.uuid = name, labels.uuid(name + "/device")
        self.secret = people.Secret(name + "/device-secret", key_id=self.uuid)
        value, key_id = root_secret(self.secret.secret, self.uuid)
        self.root = people.Secret(name + "/root", key_id=key_id)
        self.root.secret = value
        self.t, self.w = people.Secret(name + "/t"), people.Secret(name + "/w")
        self.online = self.t
        self.bootstrap = people.Secret(name + "/bootstrap")
        self.bootstrap_definition = self.bootstrap.define(self.bootstrap.derived_from(self.secret))
        self.t_key = self.sign(AUTHORITY, self.t.define(self.t.derived_from(self.secret)), self.root, {1: 1})
        self.w_key = self.sign(AUTHORITY, self.w.define(self.w.derived_from(self.secret)), self.t)
        self.bootstrap_key = self.sign(BOOTSTRAP, self.bootstrap_definition, self.t)
        self.owner_a, self.owner_b = self._owner("a"), self._owner("b")
        self.owner_w = self._owner("w", self.w)

    def _owner(self, word, reference=None):
        ms = people.ec("%s/ms-%s" % (self.name, word))
        secret = people.Secret("%s/k-%s" % (self.name, word))
        definition = secret.define(secret.derived_from(reference or self.secret), secret.derived_to(ms))
        return SharedOwner(secret, ms, definition, self.sign(MANAGEMENT, definition, self.t))

    @staticmethod
    def sign(class_, definition, signer, metadata=None, created=NOON - 86400, until=0):
        return authkeys.make(class_, definition, metadata or {}, signer.signer, created, until)[0]

    def device(self, uuid=None, roots=()):
        known = [authkeys.Known(AUTHORITY, self.root.key_id, self.root.secret)] + list(roots)
        return image.Device(uuid or self.uuid, known, secret=self.secret.secret,
                            secret_roots=(self.root.secret,))

    def header(self, who):
        first = [self.t_key, self.bootstrap_key]
        if who is self.owner_w:
            first.append(self.w_key)
        return first + [who.key_octets]

    def owner_data(self, who, sequence, signer=None, uuid=None, created=NOON - 3600):
        return owner.make(uuid or self.uuid, who.party.key_id, who.definition, sequence,
                          (signer or self.t).signer, created)[0]

    def channel_secret(self, who):
        """c: fresh class 5 secret under K_n, signed by K_n (G 19)."""
        secret = people.Secret("%s/channel/%s" % (self.name, who.party.label))
        definition = secret.define(secret.derived_from(who.party))
        return secret, authkeys.make(CHANNEL, definition, {}, who.party.signer, NOON)[0]

    def messages(self, who):
        secret, key = self.channel_secret(who)
        return [payload.message(0, "/v1/keys/" + labels.uuid_text(secret.key_id), key),
                payload.message(1, "/v1/channels/1", channel_definition(secret.key_id, b""))]

    def encrypt(self, who, sequence, plaintext, label, suite=3):
        path = "%s/%s" % (self.name, label)
        _, key_size, iv_size, _ = symmetric.SUITES[suite]
        return payload.seal(who.party.secret, plaintext, suite, labels.octets(path + "/cek", key_size),
                            labels.octets(path + "/salt", 16), labels.octets(path + "/iv", iv_size))

    def image(self, who=None, sequence=1, created=NOON, label="image", **parts):
        who = who or self.owner_a
        plaintext = parts.get("plaintext", payload.encode(self.messages(who)))
        encrypted = parts["encrypted"] if "encrypted" in parts else self.encrypt(
            who, sequence, plaintext, "%s/%s/%d" % (label, who.party.label, sequence))
        return image.make(
            parts.get("keys", self.header(who)),
            parts.get("owner", self.owner_data(who, sequence)),
            parts.get("decryption_key_id", who.party.key_id), encrypted,
            parts.get("signer", who.party.signer), created, parts.get("until", 0))

    def session(self):
        return {"hint": [self.bootstrap_definition]}

    def shown(self):
        secret_a, key_a = self.channel_secret(self.owner_a)
        return {
            "device": {"kind": "secret", "uuid": self.uuid, "secret": self.secret.secret},
            "roots": [{"class": AUTHORITY, **self.root.published()}],
            "parties": {word: secret.published() for word, secret in (
                ("t", self.t), ("w", self.w), ("bootstrap", self.bootstrap),
                ("owner_a", self.owner_a.party), ("owner_b", self.owner_b.party),
                ("owner_w", self.owner_w.party), ("channel_a", secret_a))}
            | {"ms_a": self.owner_a.ms.published(), "ms_b": self.owner_b.ms.published()},
            "authenticated_keys": {"t": self.t_key, "w": self.w_key, "bootstrap": self.bootstrap_key,
                                   "owner_a": self.owner_a.key_octets, "owner_b": self.owner_b.key_octets,
                                   "owner_w": self.owner_w.key_octets, "channel_a": key_a},
            "session": self.session(),
        }


def ec_world():
    return PublicWorld("ec", lambda label, bits: people.ec(label),
                       lambda label, uuid: people.ec(label, key_id=uuid))


def ec384_world():
    """G 36: the device's own key is P-384, all issued keys are P-256."""
    return PublicWorld("ec384", lambda label, bits: people.ec(label),
                       lambda label, uuid: people.ec(label, ecc.P384, uuid))


def rsa_world():
    return PublicWorld("rsa", people.rsa_party,
                       lambda label, uuid: people.rsa_party(label, key_id=uuid))
