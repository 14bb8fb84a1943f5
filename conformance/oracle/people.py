"""The parties of the vectors. Every private key here is published with the vectors."""

import ecc
import keys
import labels
import rsa
import sign

# 2026-06-24 12:26:40 UTC as an aSSURE timestamp (7.11.1)
NOON = 520_000_000


class Party:
    """A key pair with its id and definition."""

    def __init__(self, label, key, key_id=None):
        self.label, self.key = label, key
        self.key_id = key_id or labels.uuid(label)
        self.definition = keys.definition(key, self.key_id)
        self.spki = keys.spki(key)

    @property
    def signer(self):
        return sign.Signer(self.key, self.key_id)

    def published(self):
        """What a vector says about it."""
        return {"key_id": self.key_id, "definition": self.definition,
                "private_key": keys.pkcs8(self.key)}


def ec(label, curve=ecc.P256, key_id=None):
    return Party(label, ecc.PrivateKey.from_label(curve, label), key_id)


def rsa_party(label, bits=2048, key_id=None):
    return Party(label, rsa.PrivateKey.from_label(bits, label), key_id)


class Secret:
    """A shared secret with its id."""

    def __init__(self, label, key_id=None, size=32):
        self.label, self.key_id = label, key_id or labels.uuid(label)
        self.secret = labels.octets("secret/" + label, size)

    @property
    def signer(self):
        return sign.Signer(self.secret, self.key_id)

    def derived_from(self, reference, rounds=keys.ROUNDS):
        """A derivation of this secret under another Secret."""
        salt = labels.octets("salt/%s/%s" % (self.label, reference.label), 16)
        return keys.from_secret(reference.key_id, reference.secret, self.secret, salt, rounds)

    def derived_to(self, party):
        """A derivation of this secret by CMS to a Party."""
        return keys.from_public(party.key_id, party.key, self.secret,
                                "cms/%s/%s" % (self.label, party.label))

    def define(self, *derivations):
        return keys.derived(self.key_id, derivations)

    def published(self):
        return {"key_id": self.key_id, "secret": self.secret}
