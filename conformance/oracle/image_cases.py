"""The cases that the bootstrap images of every kind of device share.

A case names one rule; all else in its image is genuine, so that only this rule refuses it.
"""

import cbor
import image
import keys
import labels
import owner
import payload
import people
import sign
import worlds
from authkeys import AUTHORITY, BOOTSTRAP, CHANNEL, DEVICE, MANAGEMENT, MANUFACTURER, Known
from image import Record
from refusal import outcome
from vectors import judged

NOON = worlds.NOON
DAY = 86400


class Cases:
    """Collects the vectors of one world."""

    def __init__(self, world):
        self.world, self.rows = world, []

    def add(self, name, data, expected=None, record=None, now=None, session=None, roots=(), **fields):
        """One judged vector; `session` defaults to the world's bootstrap server."""
        world = self.world
        record = record or Record()
        session = world.session() if session is None else session
        device = world.device(roots=roots)
        good, value = outcome(image.judge, data, device, record, session, now)
        if good:
            fields["expect"] = dict(value)
            read, messages = outcome(payload.decode, value["payload"])
            if read:
                fields["expect"]["messages"] = messages
            else:
                good, value, fields["stage"] = False, messages, "payload"
        if roots:
            fields["extra_roots"] = [{"class": r.class_, "key_id": r.key_id, "spki": keys.spki(r.key)}
                                     for r in roots]
        self.rows.append(judged(name, expected, (good, value), image=data, record=record.shown(),
                                now=now, session=session, **fields))

    def flip(self, name, data, **context):
        """A vector that only has to be refused; the reader says why."""
        world = self.world
        good, code = outcome(image.judge, data, world.device(), Record(), world.session(), None)
        assert not good, name
        self.add(name, data, code, **context)


def _record_of(world, data):
    """The record after `data` was applied by a fresh device."""
    stored = image.judge(data, world.device(), Record(), world.session())["record"]
    return Record(**stored)


def common(world):
    cases = Cases(world)
    for part in (_genuine, _history, _signers, _owner_side, _bootstrap_side, _header, _times,
                 _structure, _flips, _payloads):
        part(cases, world)
    return cases


def _genuine(cases, world):
    first = world.image()
    cases.add("genuine", first)
    cases.add("genuine, time known", first, now=NOON)
    cases.add("genuine, owner B", world.image(world.owner_b))
    cases.add("genuine, a channel key appended", appended(world, _channel_key(world)))
    cases.add("genuine, valid_until not reached", world.image(until=NOON + 60), now=NOON + 60)


def _channel_key(world, label="appended", signer=None, metadata=None, class_=CHANNEL, private=False):
    """An EC key that the owner (or `signer`) adds to the header."""
    subject = people.ec("%s/%s" % (world.name, label))
    if private:
        subject.definition = keys.definition(subject.key, subject.key_id, private=True)
    definition = subject if isinstance(world, worlds.PublicWorld) else subject.definition
    return world.sign(class_, definition, signer or world.owner_a.party, metadata)


def appended(world, *more, **parts):
    return world.image(keys=world.header(world.owner_a) + list(more), **parts)


def _history(cases, world):
    """Generation, sequence, owner hash, created_at, image hash (OS-H5, H7, M13, D-03)."""
    a, b = world.owner_a, world.owner_b
    first = world.image(a)
    after = _record_of(world, first)
    cases.add("same image again", first, record=after)
    cases.add("same owner, later image", world.image(a, created=NOON + 1), record=after)
    cases.add("same owner, older image", world.image(a, created=NOON - 1), "created-at-older", after)
    other = world.image(a, plaintext=payload.encode([]))
    cases.add("same owner, another image of the same second", other, "created-at-equal", after)
    cases.add("next owner", world.image(b, 2), record=after)
    cases.add("next owner, older created_at", world.image(b, 2, created=NOON - 100), record=after)
    cases.add("same sequence, another owner (H5)", world.image(b, 1, created=NOON + 1), "owner-differs", after)
    taken = _record_of(world, world.image(b, 2))
    cases.add("former owner's image", first, "sequence-lower", taken)
    cases.add("former owner, new image at his number", world.image(a, 1, created=NOON + 9), "sequence-lower", taken)
    cases.add("same owner, lower sequence", first, "sequence-lower", Record(1, 2, after.owner_hash, NOON - 1))
    cases.add("sequence 0 at a fresh device", world.image(a, 0), "owner-differs", reading="R-14")
    cases.add("sequence + 1024", world.image(a, 1025), record=after)
    cases.add("sequence + 1025 (H7)", world.image(a, 1026), "sequence-too-far", after)
    cases.add("sequence 1024 at a fresh device", world.image(a, 1024))
    cases.add("sequence 1025 at a fresh device (G 10)", world.image(a, 1025), "sequence-too-far")
    cases.add("sequence 2^31 - 1", world.image(a, 2**31 - 1), "sequence-too-far", after)
    high = Record(2, 7, after.owner_hash, NOON, after.image_hash)
    cases.add("lower generation (H7)", first, "generation-lower", high)
    cases.add("lower generation, sequence 2^31 - 1", world.image(a, 2**31 - 1), "generation-lower", high)
    cases.add("lower generation, all else in order", first, "generation-lower",
              Record(2, 1, after.owner_hash, NOON - 1))
    newer = _generation(world, 2)
    cases.add("higher generation, lower sequence", newer, record=Record(1, 500, after.owner_hash, NOON + 5))
    cases.add("higher generation, any sequence", _generation(world, 2, 5000), record=after)
    cases.add("highest generation", _generation(world, 2**32 - 1), record=after)
    cases.add("no generation (G 10)", _generation(world, None), "generation-missing")


def _generation(world, number, sequence=1):
    """An image under an authority key of another generation."""
    metadata = {} if number is None else {1: number}
    if isinstance(world, worlds.PublicWorld):
        online = world.sign(AUTHORITY, world.online, world.root, metadata)
    else:
        online = world.sign(AUTHORITY, world.t.define(world.t.derived_from(world.secret)), world.root, metadata)
    return world.image(sequence=sequence, keys=[online] + world.header(world.owner_a)[1:])


def _subject(world, label, key_id=None):
    """(party to sign with, what world.sign takes) for a further class 2 or class 1 key."""
    if isinstance(world, worlds.PublicWorld):
        party = world.make_party(label, 2048)
        if key_id:
            party = people.Party(label, party.key, key_id)
        return party, party
    secret = people.Secret(label, key_id=key_id)
    return secret, secret.define(secret.derived_from(world.secret))


def _as_owner(world, party, definition, key_octets):
    raw = definition if isinstance(definition, bytes) else definition.definition
    return worlds.Owner(party, raw, key_octets)


def _signers(cases, world):
    """Who may sign the image (OS-C2, D-13)."""
    a, b = world.owner_a, world.owner_b
    name = world.name
    # C2: B's owner data, a key with B's id that A signed (A plays the registered stranger)
    party, subject = _subject(world, name + "/thief", b.party.key_id)
    thief = _as_owner(world, party, subject, world.sign(MANAGEMENT, subject, a.party))
    stolen = world.owner_data(b, 2)
    head = world.header(a)
    cases.add("C2: stranger's key under the owner's id, signed by class 2",
              world.image(thief, 2, keys=head + [thief.key_octets], owner=stolen), "final-signer-signer")
    cases.add("C2: both keys of one id", world.image(
        thief, 2, keys=head + [b.key_octets, thief.key_octets], owner=stolen), "duplicate-key-id")
    mine = _as_owner(world, party, subject, world.sign(MANAGEMENT, subject, world.online))
    cases.add("C2: another authority-signed key under the owner's id", world.image(
        mine, 2, keys=head + [mine.key_octets], owner=stolen), "owner-signature")
    # owner data made for a key that class 2 signed: only the image rule stops it
    party, subject = _subject(world, name + "/second")
    second = _as_owner(world, party, subject, world.sign(MANAGEMENT, subject, a.party))
    cases.add("final signer's own signer is class 2", world.image(
        second, keys=head + [second.key_octets], owner=world.owner_data(second, 1)), "final-signer-signer")
    cases.add("D-13: signed by another management system", world.image(
        b, 1, keys=head + [b.key_octets], owner=world.owner_data(a, 1)), "owner-signature")
    cases.add("signed by the authority key", world.image(signer=world.online.signer), "final-signer-class")
    party, subject = _subject(world, name + "/fifth")
    fifth = _as_owner(world, party, subject, world.sign(CHANNEL, subject, a.party))
    cases.add("signed by a channel key", world.image(
        fifth, keys=head + [fifth.key_octets], owner=world.owner_data(fifth, 1)), "final-signer-class")
    cases.add("signed by the root", world.image(signer=world.root.signer), "final-signer-unknown")
    cases.add("signer absent from the image", world.image(keys=head[:2]), "final-signer-unknown")
    cases.add("right id, another key", world.image(signer=sign.Signer(b.party.signer.key, a.party.key_id)),
              "bad-signature")
    cases.add("created_at 0", world.image(created=0), "created-at-zero")


def _owner_side(cases, world):
    """Owner data: device, owner, signer (G 10, A-ASSURE-27, TS-L3)."""
    a, b = world.owner_a, world.owner_b
    cases.add("owner data of another device", world.image(
        owner=world.owner_data(a, 1, uuid=labels.uuid(world.name + "/other-device"))), "owner-signature")
    cases.add("owner data of another owner", world.image(owner=world.owner_data(b, 1)), "owner-signature")
    cases.add("owner data by the owner himself", world.image(owner=world.owner_data(a, 1, a.party)), "owner-signer")
    subject = a.party if isinstance(world, worlds.PublicWorld) else a.definition
    numbered = world.sign(MANAGEMENT, subject, world.online, {1: 1})
    under_root = world.sign(MANAGEMENT, subject, world.root, {1: 1})
    for word, key in (("", numbered), (" and is signed by the root", under_root)):
        cases.add("owner data by the owner himself, whose key names a generation" + word, world.image(
            keys=world.header(a)[:2] + [key], owner=world.owner_data(a, 1, a.party)), "owner-signer")
    cases.add("owner data by the bootstrap server", world.image(
        owner=world.owner_data(a, 1, world.bootstrap)), "owner-signer")
    cases.add("owner data by the root itself", world.image(owner=world.owner_data(a, 1, world.root)), "owner-signer")
    party, subject = _subject(world, world.name + "/third-level")
    lower = world.sign(AUTHORITY, subject, world.online, {1: 1})
    cases.add("owner data by a class 1 key that no root signed", world.image(
        keys=[world.header(a)[0], lower] + world.header(a)[1:],
        owner=world.owner_data(a, 1, party)), "owner-signer")
    party, subject = _subject(world, world.name + "/foreign-ta")
    cases.add("owner data by an unknown authority", world.image(owner=world.owner_data(a, 1, party)), "owner-signer")
    maker = people.ec(world.name + "/manufacturer")
    installed = [Known(MANUFACTURER, maker.key_id, maker.key)]
    data = world.image(owner=world.owner_data(a, 1, maker))
    cases.add("owner data by class 0, root installed", data, roots=installed, reading="R-11")
    cases.add("owner data by class 0, no such root (TS-L3)", data, "owner-signer")
    cut = owner.make(world.uuid, a.party.key_id, a.definition, 1, world.online.signer, NOON - 3600, NOON - 60)[0]
    cases.add("owner data expired", world.image(owner=cut), "expired", now=NOON)
    cases.add("owner data expired, time unknown", world.image(owner=cut))


def _bootstrap_side(cases, world):
    """The server of the session and the class 3 keys (15.4, OS-C1, OS-H1)."""
    a = world.owner_a
    head = world.header(a)
    party, subject = _subject(world, world.name + "/own-bootstrap")
    spki = isinstance(world, worlds.PublicWorld)
    session = {"spki": party.spki} if spki else {"hint": [subject]}
    own = world.sign(BOOTSTRAP, subject, a.party)
    first = world.image()
    cases.add("session with a server that is not in the image", first, "bootstrap-server-not-confirmed",
              session=session)
    planted = world.image(keys=[head[0], head[2], own])
    cases.add("H1: class 3 key signed by class 2", planted, "class3-signer", session=session)
    after = _record_of(world, first)
    garden = Record(**dict(after.shown(), walled_garden=True))
    later = world.image(keys=[head[0], head[2], own], created=NOON + 1)
    cases.add("H1: the same in a walled garden, same sequence", later, record=garden, session=session)
    higher = world.image(sequence=2, keys=[head[0], head[2], own])
    cases.add("H1: walled garden flag and a higher sequence", higher, "class3-signer", record=garden,
              session=session)
    cases.add("walled garden flag falls with the sequence", world.image(sequence=2), record=garden)
    cases.add("H1: genuine server, further class 3 key signed by class 2", world.image(keys=head + [own]),
              "class3-signer", reading="R-10")
    fourth = world.sign(DEVICE, subject, a.party)
    cases.add("session key in the image with class 4", world.image(keys=head + [fourth]),
              "bootstrap-server-not-confirmed", session=session)
    if not spki:
        other = cbor.decode(world.bootstrap_definition).plain()
        other[3][2] = 999
        altered = cbor.encode(other)
        cases.add("C1: hinted definition differs from the image", first, "bootstrap-server-not-confirmed",
                  session={"hint": [altered]})
        cases.add("C1: hint ends in a key of class 2", first, "bootstrap-server-not-confirmed",
                  session={"hint": [world.bootstrap_definition, a.definition]})


def _header(cases, world):
    """Key list hygiene (OS-H2, M10, M15, G 4, G 15, G 16)."""
    a = world.owner_a
    head = world.header(a)
    cases.add("keys in reverse order", world.image(keys=head[::-1]), "unknown-signer")
    cases.add("owner key before its signer", world.image(keys=[head[2], head[0], head[1]]), "unknown-signer")
    cases.add("server and owner key swapped (both after their signer)", world.image(keys=[head[0], head[2], head[1]]),
              reading="R-13")
    cases.add("authority key absent", world.image(keys=head[1:]), "unknown-signer")
    cases.add("one key twice", world.image(keys=head + [head[1]]), "duplicate-key-id")
    cases.add("M15: private key in the header", appended(world, _channel_key(world, private=True)),
              "private-key-present")
    more = [_channel_key(world, "more-%d" % i) for i in range(14)]
    cases.add("sixteen keys", appended(world, *more[:13]))
    cases.add("seventeen keys", appended(world, *more), "too-many-keys")
    cases.add("no keys", world.image(keys=[]), "image-structure")
    fourth = people.ec(world.name + "/fourth")
    d1, d2 = labels.uuid(world.name + "/d1"), labels.uuid(world.name + "/d2")
    subject = fourth if isinstance(world, worlds.PublicWorld) else fourth.definition
    device_key = world.sign(DEVICE, subject, a.party, {0: d1})
    for uuid, expected in ((d1, None), (d2, "metadata-mismatch")):
        channel = _channel_key(world, "by-fourth", fourth, {0: uuid})
        cases.add("M15: class 4 signs class 5 with %s uuid" % ("its own" if uuid == d1 else "another's"),
                  appended(world, device_key, channel), expected)
    cases.add("class 1 key signed by class 2", appended(world, _channel_key(world, class_=AUTHORITY)),
              "class-not-allowed")
    cases.add("class 0 key signed by class 1", appended(world, _channel_key(
        world, signer=world.online, class_=MANUFACTURER)), "class-not-allowed")
    cases.add("channel key signed by class 1", appended(world, _channel_key(world, signer=world.online)),
              "class-not-allowed")
    cases.add("key signed by the bootstrap server", appended(world, _channel_key(
        world, signer=world.bootstrap)), "class-not-allowed")
    stranger = people.ec(world.name + "/stranger")
    cases.add("key signed by a stranger (signer only in the live store, H2)",
              appended(world, _channel_key(world, signer=stranger)), "unknown-signer")
    _device_uuid_keys(cases, world)


def _device_uuid_keys(cases, world):
    """G 16: a key whose id is the device UUID."""
    a = world.owner_a
    other = people.ec(world.name + "/impostor", key_id=world.uuid)
    if not isinstance(world, worlds.PublicWorld):
        cases.add("G 16: public key under the device uuid", appended(
            world, world.sign(DEVICE, other.definition, world.t)), "device-key-mismatch")
        by_device = world.sign(CHANNEL, other.definition.replace(world.uuid, labels.uuid("ss/m10")), world.secret)
        cases.add("M10: key signed by the device secret", appended(world, by_device), "signed-by-device-secret")
        listed = world.sign(AUTHORITY, world.root.define(world.root.derived_from(world.secret)), world.t)
        cases.add("root listed", world.image(keys=[world.header(a)[0], listed] + world.header(a)[1:]),
                  "duplicate-key-id")
        return
    cases.add("G 16: another public part under the device uuid",
              appended(world, world.sign(DEVICE, other, world.online)), "device-key-mismatch")
    cases.add("G 16: the device's own public part is not imported",
              appended(world, world.sign(DEVICE, world.device_party, world.online)))
    generated = _channel_key(world, "generated", world.device_party, {0: world.uuid})
    cases.add("channel key that the device signed", appended(world, generated), reading="R-15")
    listed = world.sign(AUTHORITY, world.root, world.online)
    cases.add("root listed", world.image(keys=[world.header(a)[0], listed] + world.header(a)[1:]),
              "duplicate-key-id")


def _times(cases, world):
    """Trusted time against keys and image (7.4 checks 2 and 3, OS-H4, M13)."""
    a = world.owner_a
    head = world.header(a)
    if isinstance(world, worlds.PublicWorld):
        subject = a.party
    else:
        subject = a.definition
    short = world.sign(MANAGEMENT, subject, world.online, until=NOON - 1)
    data = world.image(keys=head[:2] + [short])
    cases.add("owner key expired", data, "expired", now=NOON)
    cases.add("owner key expired, time unknown (H4)", data)
    early = world.sign(MANAGEMENT, subject, world.online, created=NOON + 1)
    cases.add("owner key not yet valid", world.image(keys=head[:2] + [early]), "not-yet-valid", now=NOON)
    data = world.image(until=NOON + 60)
    cases.add("image expired", data, "expired", now=NOON + 61)
    cases.add("image expired, time unknown", data)
    data = world.image(created=NOON + DAY)
    cases.add("image one day in the future", data, now=NOON)
    data = world.image(created=NOON + DAY + 1)
    cases.add("image one day and a second in the future (M13)", data, "created-at-future", now=NOON)
    cases.add("the same, time unknown", data)


def _structure(cases, world):
    """The ARRAY itself; every variant carries a signature that fits it."""
    a = world.owner_a
    good = world.image()
    parts = [item.raw for item in cbor.decode(good).value]
    body = parts[:-1]

    def resigned(items):
        return sign.close(items, a.party.signer, NOON)[0]

    names = ["key 0", "key 1", "key 2", "owner data", "decryption_key_id", "payload"]
    for i in range(len(body) - 1):
        swapped = body[:i] + [body[i + 1], body[i]] + body[i + 2:]
        good_swap, code = outcome(image.judge, resigned(swapped), world.device(), Record(), world.session())
        if good_swap:
            continue
        cases.add("structure: %s and %s swapped" % (names[i], names[i + 1]), resigned(swapped), code)
    for i in range(3, len(body)):
        data = resigned(body[:i] + body[i + 1:])
        _, code = outcome(image.judge, data, world.device(), Record(), world.session())
        cases.add("structure: %s dropped" % names[i], data, code)
    for name, extra in (("null", b"\xf6"), ("bytes", b"\x41\x00"), ("array", b"\x80")):
        cases.add("structure: %s appended before the signature" % name, resigned(body + [extra]),
                  _code(world, resigned(body + [extra])))
    cases.add("structure: signature dropped", cbor.head(4, len(body)) + b"".join(body), "image-structure")
    cases.add("structure: item after the signature", cbor.head(4, len(parts) + 1) + b"".join(parts) + b"\xf6",
              "image-structure")
    cases.add("structure: trailing octet", good + b"\x00", "cbor-trailing")
    cases.add("structure: last octet missing", good[:-1], "cbor-truncated")
    cases.add("structure: empty", b"", "cbor-truncated")
    cases.add("structure: MAP", b"\xa0", "image-structure")
    cases.add("structure: array head not shortest", b"\x98" + bytes([len(parts)]) + good[1:], "cbor-not-shortest")
    cases.add("structure: indefinite array", b"\x9f" + good[1:] + b"\xff", "cbor-indefinite")
    cases.add("structure: payload as text", resigned(body[:-1] + [cbor.encode("x" * 64)]), "image-structure")
    cases.add("structure: decryption_key_id of 15 octets",
              resigned(body[:-2] + [cbor.encode(b"\x00" * 15), body[-1]]), "image-structure")


def _code(world, data):
    return outcome(image.judge, data, world.device(), Record(), world.session())[1]


FIELDS = {"image": ["owner", "decryption_key_id", "payload", "signature"],
          "key": ["content", "class", "definition", "metadata", "signature"],
          "definition": ["content", "format", "key_id", "public_key", "private_key"],
          "derived": ["content", "format", "key_id"],
          "derivation": ["reference", "salt", "rounds", "encrypted_secret"],
          "owner": ["content", "sequence", "signature"],
          "signature": ["content", "format", "created_at", "valid_until", "key_id", "value", "s"]}


def _flips(cases, world):
    """The lowest bit of the last octet of each leaf, and of each container's head."""
    good = world.image()
    for path, at in _leaves(cbor.decode(good), "", "image"):
        cases.flip("flip: " + path, good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])


def _leaves(item, path, kind):
    """(path, offset of the octet to flip) of every item below `item`."""
    if item.kind not in ("array", "map") or not item.value:
        yield path, item.end - 1
        return
    yield (path + " head").strip(), item.start
    count = len(item.value)
    for index, child in enumerate(item.value):
        name, inner = _child(kind, index, count, child)
        yield from _leaves(child, (path + "." + name).strip("."), inner) if item.kind == "array" else (
            _map_leaves(child, path))


def _map_leaves(pair, path):
    yield path + ".entry key", pair[0].end - 1
    yield path + ".entry value", pair[1].end - 1


def _child(kind, index, count, child):
    """(name, kind) of a child by its place."""
    if kind == "image":
        if index < count - 4:
            return "key%d" % index, "key"
        name = FIELDS["image"][index - count + 4]
        return name, name
    if kind == "key":
        name = FIELDS["key"][index]
        if name == "definition" and child.value[1].value == 2:
            return name, "derived"
        return name, name
    if kind == "derived" and index >= 3:
        return "derivation%d" % (index - 3), "derivation"
    if kind in FIELDS:
        return FIELDS[kind][index], FIELDS[kind][index]
    return str(index), ""


def _payloads(cases, world):
    """What decrypts and still is no payload (refused after commit 1)."""
    cases.add("payload without messages", world.image(plaintext=b"\x80"))
    for name, plaintext, code in (
            ("a MAP", b"\xa0", "payload-messages"), ("empty octets", b"", "cbor-truncated"),
            ("an item that is no BYTE STRING", b"\x81\x00", "payload-messages"),
            ("not CBOR", b"\xff\xff", "cbor-indefinite"), ("trailing octet", b"\x80\x00", "cbor-trailing"),
            ("257 messages", payload.encode([payload.message(i, "/v1/x", b"\x00") for i in range(257)]),
             "too-many-messages")):
        cases.add("payload: " + name, world.image(plaintext=plaintext), code)
