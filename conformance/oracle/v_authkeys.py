"""authenticated_keys.json: 7.4 with its five checks, and the whole signing matrix of 7.7."""

import authkeys
import cbor
import ecc
import keys
import labels
import people
import sign
from authkeys import AUTHORITY, CHANNEL, CLASS_NAMES, DEVICE, MANAGEMENT
from refusal import outcome
from vectors import file_octets, judged

ABOUT = ("Authenticated keys (7.4) imported in order into a store that holds 'present'; 'accept' is the "
         "verdict on the last one, all earlier ones are accepted. 'now' is trusted time or null (unknown). "
         "Matrix: A-ASSURE-02. Layouts 2.4, G 9, G 10; A-ASSURE-04, -25; OS-M10, OS-M15.")
NOW = people.NOON + 1000


def build():
    entries = _metadata() + _matrix() + _kinds() + _signers() + _times() + _chains() + _structures()
    return {"authenticated_keys.json": file_octets(ABOUT, entries)}


def _known(class_, one, metadata=None):
    secret = isinstance(one, people.Secret)
    return authkeys.Known(class_, one.key_id, one.secret if secret else one.key, metadata)


def _row(name, present, data, expected=None, now=None, held=(), device_uuid=None, **fields):
    """`present`: (class, Party or Secret, metadata) triples; `data`: list of keys in order."""
    store = authkeys.Store([_known(*entry) for entry in present],
                           {one.key_id: one.secret for one in held}, device_uuid)
    for early in data[:-1]:
        store.accept(early, now)
    good, value = outcome(store.accept, data[-1], now)
    if good:
        fields.update(**{"class": value.class_, "key_id": value.key_id,
                         "metadata": {str(k): v for k, v in value.metadata.items()}})
    shown = []
    for class_, one, metadata in present:
        entry = {"class": class_, "key_id": one.key_id,
                 "metadata": {str(k): v for k, v in (metadata or {}).items()}}
        if isinstance(one, people.Secret):
            entry["secret"] = one.secret
        else:
            entry["definition"] = one.definition
        shown.append(entry)
    return judged(name, expected, (good, value), present=shown, now=now,
                  held=[one.published() for one in held], device_uuid=device_uuid,
                  keys=data, **fields)


def _make(class_, subject, signer, metadata=None, created=people.NOON, until=0):
    definition = subject if isinstance(subject, bytes) else subject.definition
    return authkeys.make(class_, definition, metadata or {}, signer.signer, created, until)[0]


def _subject(label="subject"):
    return people.ec("authkeys/" + label)


def _metadata():
    ta, device = people.ec("authkeys/ta"), labels.uuid("authkeys/device")
    root = [(AUTHORITY, ta, None)]
    forms = [("empty", {}), ("device uuid", {0: device}), ("generation 1", {1: 1}),
             ("generation u32 max", {1: 2**32 - 1}), ("uuid and generation", {0: device, 1: 7}),
             ("unknown integer key ignored", {2: "x"}), ("unknown negative key ignored", {-1: 1}),
             ("unknown key beside a uuid", {0: device, 9: [1, 2]})]
    rows = [_row("metadata: " + name, root, [_make(AUTHORITY, _subject(), ta, form)])
            for name, form in forms]
    bad = [("uuid of 15 octets", {0: device[:15]}), ("uuid of 17 octets", {0: device + b"\x00"}),
           ("uuid as text", {0: labels.uuid_text(device)}), ("text key", {"0": device}),
           ("bytes key", {b"\x00": device}), ("generation 0", {1: 0}), ("generation negative", {1: -1}),
           ("generation 2^32", {1: 2**32}), ("generation as bytes", {1: b"\x01"})]
    rows += [_row("metadata: " + name, root, [_make(AUTHORITY, _subject(), ta, form)], "metadata")
             for name, form in bad]
    array = authkeys.make(AUTHORITY, _subject().definition, [], ta.signer, people.NOON)[0]
    rows.append(_row("metadata: ARRAY instead of MAP", root, [array], "metadata"))
    twice = cbor.Raw(b"\xa2\x01\x01\x01\x01")
    data = authkeys.make(AUTHORITY, _subject().definition, twice, ta.signer, people.NOON)[0]
    rows.append(_row("metadata: key twice", root, [data], "cbor-duplicate-key"))
    return rows


def _matrix():
    """36 cells: a signer of each class, genuinely signing each class."""
    rows = []
    device = labels.uuid("authkeys/device")
    for upper in range(6):
        signer = people.ec("authkeys/signer-%d" % upper)
        for lower in range(6):
            metadata = {0: device} if (upper, lower) == (DEVICE, CHANNEL) else {}
            own = {0: device} if upper == DEVICE else None
            data = _make(lower, _subject("signed-%d" % lower), signer, metadata)
            expected = None if authkeys.may_sign(upper, lower) else "class-not-allowed"
            name = "matrix: %s signs %s" % (CLASS_NAMES[upper], CLASS_NAMES[lower])
            rows.append(_row(name, [(upper, signer, own)], [data], expected,
                             signer_class=upper, signed_class=lower))
    return rows


def _kinds():
    """RSA and shared-secret signers, and derived keys as signers of further keys."""
    rows = []
    rs = people.rsa_party("authkeys/rsa-ta")
    rows.append(_row("RSA signs EC", [(AUTHORITY, rs, None)], [_make(MANAGEMENT, _subject(), rs)]))
    device = people.Secret("authkeys/device-secret", key_id=labels.uuid("authkeys/device"))
    root, ta = people.Secret("authkeys/root-secret"), people.Secret("authkeys/ta-secret")
    owner = people.Secret("authkeys/owner-secret")
    first = _make(AUTHORITY, ta.define(ta.derived_from(device)), root, {1: 1})
    second = _make(MANAGEMENT, owner.define(owner.derived_from(device)), ta)
    channel = people.Secret("authkeys/channel-secret")
    third = _make(CHANNEL, channel.define(channel.derived_from(owner)), owner)
    present = [(AUTHORITY, root, None)]
    rows.append(_row("derived key signed by a secret root", present, [first], held=[device]))
    rows.append(_row("derived key signed by a derived key", present, [first, second], held=[device]))
    rows.append(_row("derived key whose reference is derived", present, [first, second, third], held=[device]))
    unknown = _make(MANAGEMENT, owner.define(owner.derived_from(people.Secret("authkeys/nobody"))), ta)
    rows.append(_row("derived key without a held reference is kept, unusable", present,
                     [first, unknown], held=[device], reading="R-09"))
    wrong = people.Secret("authkeys/wrong")
    wrong.key_id = ta.key_id
    forged = _make(MANAGEMENT, owner.define(owner.derived_from(device)), wrong)
    rows.append(_row("HMAC by another secret under a known id", present, [first, forged],
                     "bad-signature", held=[device]))
    by_device = _make(CHANNEL, channel.define(channel.derived_from(owner)), device, {0: device.key_id})
    rows.append(_row("HMAC by the device secret (M10)", [(DEVICE, device, {0: device.key_id})],
                     [by_device], "signed-by-device-secret", device_uuid=device.key_id))
    return rows


def _signers():
    ta = people.ec("authkeys/ta")
    root = [(AUTHORITY, ta, None)]
    rows = []
    stranger = people.ec("authkeys/stranger")
    rows.append(_row("unknown signer", root, [_make(MANAGEMENT, _subject(), stranger)], "unknown-signer"))
    false = people.ec("authkeys/stranger", key_id=ta.key_id)
    rows.append(_row("another key under the signer's id", root, [_make(MANAGEMENT, _subject(), false)],
                     "bad-signature"))
    own = _subject("self")
    rows.append(_row("signed by itself", root, [_make(AUTHORITY, own, own)], "self-signed"))
    rows.append(_row("root presented again, signed by itself", root, [_make(AUTHORITY, ta, ta)], "self-signed"))
    a, b, c = (people.ec("authkeys/loop-%d" % i) for i in range(3))
    rows.append(_row("loop of two keys", root, [_make(AUTHORITY, a, b)], "unknown-signer"))
    rows.append(_row("loop of two keys, other end", root, [_make(AUTHORITY, b, a)], "unknown-signer"))
    rows.append(_row("loop of three keys", root, [_make(AUTHORITY, c, a)], "unknown-signer"))
    d1, d2 = labels.uuid("authkeys/d1"), labels.uuid("authkeys/d2")
    device = people.ec("authkeys/d1-key", key_id=d1)
    present = [(DEVICE, device, {0: d1})]
    for name, metadata, expected in (("its own", {0: d1}, None), ("another's", {0: d2}, "metadata-mismatch"),
                                     ("no", {}, "metadata-mismatch")):
        rows.append(_row("M15: device signs a channel key with %s uuid" % name, present,
                         [_make(CHANNEL, _subject("channel"), device, metadata)], expected))
    for size, curve in ((384, ecc.P384), (521, ecc.P521)):
        own = people.ec("authkeys/p%d" % size, curve, key_id=d1)
        rows.append(_row("P-%d device signs a channel key (G 36)" % size, [(DEVICE, own, {0: d1})],
                         [_make(CHANNEL, _subject("channel"), own, {0: d1})]))
    return rows


def _times():
    ta, subject = people.ec("authkeys/ta"), _subject()
    root = [(AUTHORITY, ta, None)]
    t = people.NOON
    cases = [("no limits", 0, 0, NOW, None), ("only created_at", t, 0, NOW, None),
             ("only valid_until", 0, NOW + 1, NOW, None), ("inside both", t, NOW + 1, NOW, None),
             ("at created_at", NOW, 0, NOW, None), ("at valid_until", t, NOW, NOW, None),
             ("one second after valid_until", t, NOW - 1, NOW, "expired"),
             ("one second before created_at", NOW + 1, 0, NOW, "not-yet-valid"),
             ("expired, time unknown", t, NOW - 1, None, None),
             ("before created_at, time unknown", NOW + 1, 0, None, None),
             ("valid_until before created_at, time unknown", t, t - 1, None, None),
             ("no limits at u32 max", 0, 0, 2**32 - 1, None)]
    rows = [_row("time: " + name, root, [_make(MANAGEMENT, subject, ta, None, created, until)],
                 expected, now) for name, created, until, now, expected in cases]
    # the signature of a key further up runs out while the lower one holds
    middle, low = people.ec("authkeys/middle"), people.ec("authkeys/low")
    chain = [_make(AUTHORITY, middle, ta, None, t, t + 10), _make(AUTHORITY, low, middle, None, t, 0),
             _make(MANAGEMENT, subject, low, None, t, 0)]
    rows.append(_row("time: grandparent expired, time unknown", root, chain))
    rows.append(_row("time: whole chain in time", root, chain, None, t + 10))
    rows.append(_late_chain(root, chain, t + 11))
    return rows


def _late_chain(root, chain, late):
    """The upper keys were imported in time; the last one comes after the grandparent expired."""
    store = authkeys.Store([_known(*entry) for entry in root])
    for early in chain[:-1]:
        store.accept(early, people.NOON)
    result = outcome(store.accept, chain[-1], late)
    row = _row("time: whole chain at its first second", root, chain, None, people.NOON)
    return judged("time: grandparent expired since", "expired", result, present=row["present"],
                  now=late, now_before=people.NOON, held=[], device_uuid=None, keys=chain)


def _chains():
    ta = people.ec("authkeys/ta")
    links = [ta] + [people.ec("authkeys/link-%d" % i) for i in range(1, 9)]
    chain = [_make(AUTHORITY, links[i], links[i - 1]) for i in range(1, 9)]
    root = [(AUTHORITY, ta, None)]
    return [_row("chain of eight keys with its root", root, chain[:7], reading="R-08"),
            _row("chain of nine keys with its root", root, chain, "chain-too-long", reading="R-08")]


def _structures():
    ta, subject = people.ec("authkeys/ta"), _subject()
    root = [(AUTHORITY, ta, None)]
    rows = []
    d = subject.definition

    def raw(items):
        body = [cbor.encode(item) for item in items]
        return sign.close(body, ta.signer, people.NOON)[0]

    good = [0, MANAGEMENT, cbor.Raw(d), {}]
    cases = [("content 1", [1] + good[1:], "authenticated-key-content"),
             ("content 4", [4] + good[1:], "authenticated-key-content"),
             ("content 5", [5] + good[1:], "authenticated-key-content"),
             ("content 3", [3] + good[1:], "authenticated-key-content"),
             ("class 6", [0, 6] + good[2:], "class"),
             ("class negative", [0, -1] + good[2:], "authenticated-key-structure"),
             ("definition as bytes", [0, 2, d, {}], "key-structure"),
             ("without metadata", good[:3], "authenticated-key-structure"),
             ("six items", good + [0], "authenticated-key-structure"),
             ("metadata before definition", [0, 2, {}, cbor.Raw(d)], "key-structure")]
    for name, items, expected in cases:
        rows.append(_row("structure: " + name, root, [raw(items)], expected))
    whole = raw(good)
    rows.append(_row("structure: without signature", root,
                     [cbor.encode(good)], "authenticated-key-structure"))
    rows.append(_row("structure: trailing octet", root, [whole + b"\x00"], "cbor-trailing"))
    rows.append(_row("structure: last octet missing", root, [whole[:-1]], "cbor-truncated"))
    rows.append(_row("structure: class not shortest", root,
                     [whole[:2] + b"\x18\x02" + whole[3:]], "cbor-not-shortest"))
    private = people.Party("authkeys/subject", subject.key)
    private.definition = keys.definition(subject.key, subject.key_id, private=True)
    rows.append(_row("key with its private part (allowed outside images)", root,
                     [_make(DEVICE, private, ta)]))
    return rows
