"""owner.json: owner data of 15.5 and the octets that its signature covers."""

import hashlib

import cbor
import keys
import labels
import owner
import people
import sign
from refusal import outcome, require
from vectors import file_octets, judged

ABOUT = ("Owner data (15.5) bound to device, key id and key definition (OS-C2). 'prefix' (69 octets) and "
         "'tbs' are what is signed; 'signer' is the class 1 key. Layouts 2.6; A-ASSURE-20, -27; TS-C2, TS-L3.")
DEVICE = labels.uuid("owner/device")


def build():
    return {"owner.json": file_octets(ABOUT, _good() + _other() + _classes() + _structures())}


def _check(data, uuid, definition, signer, class_):
    found = owner.OwnerData(cbor.decode(data))
    require(found.signature.key_id == signer.key_id, "owner-signer")
    require(class_ in (0, 1), "owner-signer")
    tbs = found.tbs(uuid, keys.parse_octets(definition).key_id, definition)
    key = signer.secret if isinstance(signer, people.Secret) else signer.key
    found.signature.check(key, tbs)
    return found, tbs


def _row(name, data, definition, signer, expected=None, uuid=DEVICE, class_=1, **fields):
    good, value = outcome(_check, data, uuid, definition, signer, class_)
    if good:
        found, tbs = value
        fields.update(sequence=found.sequence, prefix=tbs[:69], tbs=tbs,
                      owner_hash=hashlib.sha256(definition).digest())
    shown = signer.published() if isinstance(signer, people.Secret) else {
        "key_id": signer.key_id, "definition": signer.definition}
    return judged(name, expected, (good, value), bytes=data, uuid=uuid, owner_definition=definition,
                  signer={"class": class_, **shown}, **fields)


def _parties():
    """(signer, owner definition) per kind of chain."""
    device = people.Secret("owner/device-secret", key_id=DEVICE)
    ms = people.ec("owner/ms")
    shared = people.Secret("owner/shared")
    return {
        "EC": (people.ec("owner/ta"), ms.definition),
        "RSA": (people.rsa_party("owner/ta-rsa", 3072), people.rsa_party("owner/ms-rsa").definition),
        "shared secret": (people.Secret("owner/ta-secret"),
                          shared.define(shared.derived_from(device), shared.derived_to(ms))),
    }


def _make(definition, signer, sequence=1, uuid=DEVICE):
    key_id = keys.parse_octets(definition).key_id
    return owner.make(uuid, key_id, definition, sequence, signer.signer, people.NOON)[0]


def _good():
    rows = []
    for kind, (signer, definition) in _parties().items():
        rows.append(_row(kind, _make(definition, signer), definition, signer))
    signer, definition = _parties()["EC"]
    for sequence in (0, 23, 24, 255, 256, 65536, 2**31 - 1, 2**32 - 1):
        rows.append(_row("sequence %d" % sequence, _make(definition, signer, sequence), definition, signer))
    return rows


def _other():
    """Genuine owner data shown for something else."""
    signer, definition = _parties()["EC"]
    good = _make(definition, signer)
    key_id = keys.parse_octets(definition).key_id
    impostor = people.ec("owner/impostor", key_id=key_id)
    renamed = people.Party("owner/ms", people.ec("owner/ms").key, labels.uuid("owner/renamed"))
    rows = [
        _row("another device", good, definition, signer, "bad-signature", labels.uuid("owner/device-2")),
        _row("another key under the owner's id (C2)", good, impostor.definition, signer, "bad-signature"),
        _row("the owner's key under another id", good, renamed.definition, signer, "bad-signature"),
        _row("another authority key under the signer's id", good, definition,
             people.ec("owner/false-ta", key_id=signer.key_id), "bad-signature"),
        _row("another signer", good, definition, people.ec("owner/false-ta"), "owner-signer"),
    ]
    items = [cbor.encode(5), cbor.encode(1)]
    old = cbor.encode([DEVICE, key_id])
    rows.append(_row("prefix without the definition hash (A-ASSURE-20 alone)", sign.close(
        items, signer.signer, people.NOON, 0, old)[0], definition, signer, "bad-signature"))
    rows.append(_row("no prefix", sign.close(items, signer.signer, people.NOON)[0],
                     definition, signer, "bad-signature"))
    with_private = keys.definition(people.ec("owner/ms").key, key_id, private=True)
    rows.append(_row("hash over the definition with its private part", owner.make(
        DEVICE, key_id, with_private, 1, signer.signer, people.NOON)[0], definition, signer, "bad-signature"))
    place = good.index(b"\x83\x05\x01") + 2
    rows.append(_row("sequence changed", good[:place] + b"\x02" + good[place + 1:], definition, signer,
                     "bad-signature"))
    item = cbor.decode(good).value[2].value[2]
    moved = good[:item.end - 1] + bytes([good[item.end - 1] ^ 1]) + good[item.end:]
    rows.append(_row("created_at changed", moved, definition, signer, "bad-signature"))
    rows.append(_row("signature changed", good[:-1] + bytes([good[-1] ^ 1]), definition, signer, "bad-signature"))
    return rows


def _classes():
    """Which class of signer counts (A-ASSURE-27)."""
    signer, definition = _parties()["EC"]
    good = _make(definition, signer)
    rows = [_row("signed by an installed class 0 root", good, definition, signer, class_=0)]
    for class_ in (2, 3, 4, 5):
        rows.append(_row("signed by class %d" % class_, good, definition, signer, "owner-signer", class_=class_))
    return rows


def _structures():
    signer, definition = _parties()["EC"]
    key_id = keys.parse_octets(definition).key_id
    prefix = owner.binding(DEVICE, key_id, definition)

    def closed(*items):
        return sign.close([cbor.encode(i) for i in items], signer.signer, people.NOON, 0, prefix)[0]

    good = closed(5, 1)
    cases = [("content 4", closed(4, 1), "owner-content"), ("content 0", closed(0, 1), "owner-content"),
             ("sequence negative", closed(5, -1), "owner-sequence"),
             ("sequence 2^32", closed(5, 2**32), "owner-sequence"),
             ("sequence as bytes", closed(5, b"\x01"), "owner-sequence"),
             ("sequence not shortest", good[:2] + b"\x18\x01" + good[3:], "cbor-not-shortest"),
             ("four items", closed(5, 1, 0), "owner-structure"), ("two items", closed(5), "owner-structure"),
             ("unsigned", cbor.encode([5, 1]), "owner-structure"),
             ("trailing octet", good + b"\x00", "cbor-trailing")]
    return [_row(name, data, definition, signer, reason) for name, data, reason in cases]
