"""label.json: the QR label of 6.2.5, its text forms and the case hash. root.json: K_root of D-09."""

import hashlib

import authkeys
import cbor
import keys
import labels
import people
import symmetric
import worlds
from refusal import Refusal, outcome, require
from vectors import accepted, file_octets, judged

LABEL = ("Label (6.2.5): 'kind' label reads octets, 'case_string' reads what a person typed (A-ASSURE-14). "
         "Case hash = SHA-256(uuid16 || 32 lower-case hex characters). Layouts 2.1; TS-L2.")
ROOT = ("K_root of a shared-secret device (D-09), what it signs, and definitions that try to reach it "
        "(OS-M2). 'kind' root: inputs and result; signed: T under K_root; use: a definition at use.")


def build():
    return {"label.json": file_octets(LABEL, _labels() + _strings()),
            "root.json": file_octets(ROOT, _roots())}


def read_label(data):
    """(uuid, case_id)."""
    parts = cbor.array(cbor.decode(data), "label-structure", 3)
    require(cbor.uint(parts[0], "label-structure") == 1, "label-version")
    return cbor.octets(parts[1], "label-structure", 16), cbor.octets(parts[2], "label-structure", 16)


def read_case_string(text):
    """The canonical 32 hexadecimal digits of what a person typed."""
    digits = text.replace(" ", "").replace("-", "")
    require(len(digits) == 32 and all(c in "0123456789abcdefABCDEF" for c in digits), "case-string")
    return digits.lower()


def case_hash(uuid, case_id):
    return hashlib.sha256(uuid + case_id.hex().encode()).digest()


def _labels():
    rows = []
    uuid, case = labels.uuid("label/device"), labels.octets("label/case", 16)
    for word, u, c in (("first", uuid, case),
                       ("second", labels.uuid("label/device-2"), labels.octets("label/case-2", 16)),
                       ("case id of zeros", uuid, b"\x00" * 16),
                       ("uuid of other version bits", b"\xff" * 16, case)):
        data = cbor.encode([1, u, c])
        rows.append(judged("label " + word, None, outcome(read_label, data), kind="label", bytes=data, uuid=u,
                           uuid_text=labels.uuid_text(u), case_id=c, case_string=c.hex(), case_hash=case_hash(u, c)))
    good = cbor.encode([1, uuid, case])
    bad = [("version 0", cbor.encode([0, uuid, case]), "label-version"),
           ("version 2", cbor.encode([2, uuid, case]), "label-version"),
           ("version -1", cbor.encode([-1, uuid, case]), "label-structure"),
           ("version not shortest", b"\x83\x18\x01" + good[2:], "cbor-not-shortest"),
           ("version as text", cbor.encode(["1", uuid, case]), "label-structure"),
           ("uuid of 15 octets", cbor.encode([1, uuid[:15], case]), "label-structure"),
           ("uuid of 17 octets", cbor.encode([1, uuid + b"\x00", case]), "label-structure"),
           ("case id of 15 octets", cbor.encode([1, uuid, case[:15]]), "label-structure"),
           ("case id of 32 octets", cbor.encode([1, uuid, case * 2]), "label-structure"),
           ("case id as text", cbor.encode([1, uuid, case.hex()]), "label-structure"),
           ("uuid as text", cbor.encode([1, labels.uuid_text(uuid), case]), "label-structure"),
           ("two items", cbor.encode([1, uuid]), "label-structure"),
           ("four items", cbor.encode([1, uuid, case, 0]), "label-structure"),
           ("map", cbor.encode({0: 1, 1: uuid, 2: case}), "label-structure"),
           ("trailing octet", good + b"\n", "cbor-trailing"), ("cut", good[:-1], "cbor-truncated"),
           ("indefinite array", b"\x9f" + good[1:] + b"\xff", "cbor-indefinite"),
           ("empty", b"", "cbor-truncated"),
           ("re-coded as UTF-8 text", good.decode("latin-1").encode(), "any")]
    for name, data, reason in bad:
        result = outcome(read_label, data)
        rows.append(judged("label " + name, result[1] if reason == "any" else reason, result, kind="label",
                           bytes=data))
    return rows


def _strings():
    case = labels.octets("label/case", 16)
    text = case.hex()
    groups = [text[i:i + 4] for i in range(0, 32, 4)]
    good = [("as printed", text), ("upper case", text.upper()), ("mixed case", text[:16] + text[16:].upper()),
            ("grouped by spaces", " ".join(groups)), ("grouped by hyphens", "-".join(groups)),
            ("as a UUID", labels.uuid_text(case)), ("spaces around", "  " + text + " ")]
    bad = [("31 digits", text[:-1]), ("33 digits", text + "0"), ("empty", ""), ("only hyphens", "-" * 32),
           ("a letter beyond f", "g" + text[1:]), ("a dot between", text[:16] + "." + text[16:]),
           ("a full-width digit", "\uff10" + text[1:]), ("0x before", "0x" + text), ("line end after", text + "\n")]
    rows = [judged("case string " + name, None, outcome(read_case_string, given), kind="case_string",
                   text=given, canonical=text) for name, given in good]
    return rows + [judged("case string " + name, "case-string", outcome(read_case_string, given),
                          kind="case_string", text=given) for name, given in bad]


def _roots():
    rows = []
    for size in (16, 32, 64):
        device = people.Secret("root/device-%d" % size, key_id=labels.uuid("root/device-%d" % size), size=size)
        value, key_id = worlds.root_secret(device.secret, device.key_id)
        rows.append(accepted("K_root of a %d-octet secret" % size, kind="root", uuid=device.key_id,
                             secret=device.secret, salt=worlds.ROOT_SALT + device.key_id, rounds=1000,
                             k_root=value, key_id=key_id))
    root = people.Secret("root/k-root", key_id=key_id)
    root.secret = value
    t = people.Secret("root/t")
    definition = t.define(t.derived_from(device))
    data, tbs = authkeys.make(authkeys.AUTHORITY, definition, {1: 1}, root.signer, people.NOON)
    store = authkeys.Store([authkeys.Known(1, key_id, value)], {device.key_id: device.secret}, device.key_id,
                           (value,))
    common = {"uuid": device.key_id, "secret": device.secret, "k_root": value, "key_id": key_id}
    rows.append(judged("T signed by K_root", None, outcome(store.accept, data), kind="signed", bytes=data,
                       tbs=tbs, t_secret=t.secret, **common))
    salt = labels.octets("root/salt", 16)
    ways = [("27-octet salt and zeros give K_root", [device.key_id, worlds.ROOT_SALT + device.key_id, 1000,
                                                     b"\x00" * 32], "salt-length"),
            ("output equal to K_root", [device.key_id, salt, 1000, symmetric.xor(symmetric.pbkdf2(
                device.secret, salt, 1000, 32), value)], "output-is-root")]
    ways += [("zeros of %d octets" % n, [device.key_id, worlds.ROOT_SALT + device.key_id, 1000, b"\x00" * n],
              "salt-length") for n in (1, 2, 3)]
    ways += [("%d octets under a right salt" % n, [device.key_id, salt, 1000, b"\x00" * n],
              "encrypted-secret-length") for n in range(1, 16)]
    ways.append(("65 octets under a right salt", [device.key_id, salt, 1000, b"\x00" * 65],
                 "encrypted-secret-length"))
    for name, way, reason in ways:
        octets = keys.derived(t.key_id, [way])
        result = outcome(keys.use, keys.parse_octets(octets), {device.key_id: device.secret}, roots=(value,))
        rows.append(judged("use: " + name, reason, result, kind="use", bytes=octets, **common))
    by_root = keys.derived(t.key_id, [keys.from_secret(key_id, value, t.secret, salt)])
    result = outcome(_use_by_root, by_root, device, key_id)
    rows.append(judged("use: K_root as a reference", "reference-unknown", result, kind="use", bytes=by_root,
                       reading="R-16", **common))
    return rows


def _use_by_root(octets, device, key_id):
    """K_root verifies and nothing else: it is no reference key."""
    found = keys.parse_octets(octets)
    if found.derivations[0].reference == key_id:
        raise Refusal("reference-unknown")
    return keys.use(found, {device.key_id: device.secret})
