"""gap.json: air-gap files of kinds 0 to 7 and ta.bundle."""

import hashlib

import authkeys
import cbor
import cms
import ecc
import gap
import keys
import labels
import people
import record
import v_record
import worlds
from refusal import outcome
from vectors import accepted, file_octets, judged

ABOUT = ("Air-gap files: 'plaintext' is the CBOR inside the CMS. 'me' reads, 'last' is the highest sequence taken "
         "from that sender. 'kind' bundle: ta.bundle. Plaintexts: conformance/oracle/READINGS.md R-20 to R-27. "
         "Layouts 2.11; A-ASSURE-12; OS-H6, H7, M11.")
RULES = ["A file is named <recipient uuid>-<sequence, ten digits>.gap, written under another name, then renamed.",
         "Sequence numbers count per sender and recipient from 1.",
         "The importer takes sequence = last + 1 only and stores it in the same commit as the effect.",
         "A lower or equal sequence is skipped (gap-repeated), nothing changes.",
         "A higher one stops the import and names the missing number (gap-hole), nothing changes.",
         "The sequence is judged after the signature: a forged file moves nothing."]
NOON = people.NOON


class Party:
    """A party on either side of the gap."""

    def __init__(self, word):
        self.id = labels.uuid("gap/party/" + word)
        self.gap = people.ec("gap/key/" + word)

    def shown(self):
        return {"party_id": self.id, "gap_key": self.gap.published()}


IDENTITY, REGISTRATION, BOOTSTRAP, GATEWAY = (Party(w) for w in ("identity", "registration", "bootstrap", "gateway"))
ALL = {p.id: p for p in (IDENTITY, REGISTRATION, BOOTSTRAP, GATEWAY)}
ROOT, ROOT_RSA = people.ec("gap/root"), people.rsa_party("gap/root-rsa", 3072)
WORLD = worlds.SharedWorld("ss")


def build():
    entries = [_file(*case) for case in _contents()] + _bad() + _bundles()
    shown = {"identity": IDENTITY.shown(), "registration": REGISTRATION.shown(), "bootstrap": BOOTSTRAP.shown(),
             "gateway": GATEWAY.shown(), "root_ec": ROOT.published(), "root_rsa": ROOT_RSA.published()}
    return {"gap.json": file_octets(ABOUT, entries, rules=RULES, world=shown)}


def _pool(count=8):
    """Owner secrets K_1.. with their device derivation: [[definition, secret], ..]."""
    pool = []
    for index in range(1, count + 1):
        secret = people.Secret("gap/pool/%d" % index)
        pool.append([secret.define(secret.derived_from(WORLD.secret)), secret.secret])
    return pool


def _contents():
    """(name, sender, recipient, kind, plaintext) of one file of each kind."""
    device = WORLD.uuid
    maker, parameters = labels.uuid("record/maker"), labels.uuid("record/parameters")
    fields = v_record.fields(device, shared_secret=WORLD.secret.secret.hex())
    plaintext = record.close(record.json_octets(fields), v_record.STATION.signer, NOON)[0]
    blob = record.seal(plaintext, v_record.IDENTITY.key.point, device, maker, "gap/blob")
    case_hash = hashlib.sha256(device + fields["case_string"].encode()).digest()
    open_fields = {n: v for n, v in fields.items() if n not in ("shared_secret", "case_string")}
    public = people.ec("record/ec")
    ec_uuid = labels.uuid("gap/ec-device")
    ec_json = record.json_octets(dict(open_fields, id=labels.uuid_text(ec_uuid)))
    t, w = [WORLD.t.secret, WORLD.t_key], [WORLD.w.secret, WORLD.w_key]
    online, online_rsa = people.ec("gap/online"), people.rsa_party("gap/online-rsa", 3072)
    enrol = [1, REGISTRATION.gap.definition, [[1, online.definition], [1, online_rsa.definition]]]
    signed = [authkeys.make(1, online.definition, {1: 1}, ROOT.signer, NOON)[0],
              authkeys.make(1, online_rsa.definition, {1: 1}, ROOT_RSA.signer, NOON)[0]]
    second = people.Secret("gap/t-2")
    second_key = authkeys.make(1, second.define(second.derived_from(WORLD.secret)), {1: 2}, WORLD.root.signer, NOON)[0]
    w2 = authkeys.make(1, WORLD.w.define(WORLD.w.derived_from(WORLD.secret)), {}, second.signer, NOON)[0]
    renewed = [authkeys.make(1, online.definition, {1: 2}, ROOT.signer, NOON)[0],
               authkeys.make(1, online_rsa.definition, {1: 2}, ROOT_RSA.signer, NOON)[0]]
    server = [WORLD.bootstrap.secret, WORLD.bootstrap_key]
    return [
        ("kind 0 submit", GATEWAY, IDENTITY, 0, [maker, device, blob]),
        ("kind 1 issue-registration, shared secret", IDENTITY, REGISTRATION, 1,
         [device, maker, case_hash, parameters, 2, t, w, _pool()]),
        ("kind 1 issue-registration, EC", IDENTITY, REGISTRATION, 1,
         [ec_uuid, maker, case_hash, parameters, 0, [], [], []]),
        ("kind 1 issue-registration, RSA", IDENTITY, REGISTRATION, 1,
         [labels.uuid("gap/rsa-device"), maker, case_hash, parameters, 1, [], [], []]),
        ("kind 2 issue-bootstrap, shared secret", IDENTITY, BOOTSTRAP, 2,
         [device, record.json_octets(open_fields), server]),
        ("kind 2 issue-bootstrap, EC", IDENTITY, BOOTSTRAP, 2, [ec_uuid, ec_json, public.spki]),
        ("kind 3 rejected", IDENTITY, GATEWAY, 3, [device, 0]),
        ("kind 4 refill", IDENTITY, REGISTRATION, 4, [device, labels.uuid("gap/refill"), _pool(2)]),
        ("kind 5 enrol request, registration", REGISTRATION, IDENTITY, 5, enrol),
        ("kind 5 enrol request, bootstrap", BOOTSTRAP, IDENTITY, 5, [2, BOOTSTRAP.gap.definition, []]),
        ("kind 6 enrol answer, registration", IDENTITY, REGISTRATION, 6, [IDENTITY.gap.definition, signed, 1]),
        ("kind 6 enrol answer, bootstrap", IDENTITY, BOOTSTRAP, 6, [IDENTITY.gap.definition, [], 1]),
        ("kind 7 new generation", IDENTITY, REGISTRATION, 7,
         [2, renewed, [[device, [second.secret, second_key], [WORLD.w.secret, w2], _pool(2)]]]),
        ("kind 7 new generation, bootstrap", IDENTITY, BOOTSTRAP, 7, [2, renewed, [[device, [WORLD.w.secret, w2]]]]),
    ]


def _make(sender, recipient, kind, plaintext, sequence, label, signer=None, content=None):
    if content is None:
        content = plaintext if kind == gap.ENROL else cms.envelope(
            recipient.gap.key, recipient.gap.key_id, plaintext, "gap/" + label)
    if signer is None:
        signer = (ROOT if kind == gap.ANSWER else sender.gap).signer
    return gap.make(sender.id, recipient.id, sequence, kind, content, signer, NOON)


def _senders(answer=False):
    """What a party knows of the others: the gap keys, and for kind 6 the EC root of the bundle."""
    known = {p.id: (p.gap.key_id, p.gap.key) for p in ALL.values()}
    if answer:
        known[IDENTITY.id] = (ROOT.key_id, ROOT.key)
    return known


def _row(name, data, recipient, expected=None, last=0, answer=False, **fields):
    result = outcome(gap.read, data, (recipient.id, recipient.gap.key), _senders(answer), last)
    return judged(name, expected, result, bytes=data, me=recipient.id, last=last, **fields)


def _file(name, sender, recipient, kind, content, sequence=1):
    plaintext = cbor.encode(content)
    data, tbs = _make(sender, recipient, kind, plaintext, sequence, name)
    extra = {"fingerprint": gap.fingerprint(plaintext)} if kind == gap.ENROL else {}
    signer = ROOT if kind == gap.ANSWER else sender.gap
    return _row(name, data, recipient, answer=kind == gap.ANSWER, gap_kind=kind, sequence=sequence,
                from_id=sender.id, to_id=recipient.id, plaintext=plaintext, tbs=tbs,
                signer={"key_id": signer.key_id, "definition": signer.definition},
                file_name=gap.name(labels.uuid_text(recipient.id), sequence), **extra)


def _bad():
    plaintext = cbor.encode([WORLD.uuid, 0])
    args = (IDENTITY, GATEWAY, gap.REJECTED, plaintext)
    good, _ = _make(*args, 5, "base")
    rows = [_row("sequence last + 1", good, GATEWAY, last=4),
            _row("sequence repeated", good, GATEWAY, "gap-repeated", 5),
            _row("sequence lower", good, GATEWAY, "gap-repeated", 9),
            _row("sequence with a hole", good, GATEWAY, "gap-hole", 3, missing=4),
            _row("sequence u32 max", _make(*args, 2**32 - 1, "base")[0], GATEWAY, last=2**32 - 2),
            _row("sequence 0", _make(*args, 0, "base")[0], GATEWAY, "gap-repeated", 0),
            _row("for another party", good, REGISTRATION, "gap-recipient", 4)]
    forged = _make(*args, 1000, "base", signer=people.ec("gap/stranger").signer)[0]
    false = people.ec("gap/stranger", key_id=IDENTITY.gap.key_id)
    rows += [_row("signed by a stranger", forged, GATEWAY, "gap-sender", 4),
             _row("another key under the sender's id, far ahead", _make(*args, 1000, "base", signer=false.signer)[0],
                  GATEWAY, "bad-signature", 4),
             _row("signed by another party", _make(*args, 5, "base", signer=BOOTSTRAP.gap.signer)[0], GATEWAY,
                  "gap-sender", 4)]
    stranger = Party("stranger")
    rows.append(_row("from an unknown party", _make(stranger, *args[1:], 5, "base")[0], GATEWAY, "gap-sender", 4))
    wrong = cms.envelope(BOOTSTRAP.gap.key, GATEWAY.gap.key_id, plaintext, "gap/wrong")
    rows.append(_row("envelope for another key", _make(*args, 5, "base", content=wrong)[0], GATEWAY, "cms-unwrap", 4))
    rows.append(_row("content not enveloped", _make(*args, 5, "base", content=plaintext)[0], GATEWAY, "cms-der", 4))
    rows.append(_row("kind 6 signed by the gap key instead of the root", _make(
        IDENTITY, REGISTRATION, 6, plaintext, 1, "answer", signer=IDENTITY.gap.signer)[0], REGISTRATION,
        "gap-sender", 0, answer=True))
    names = ["tag", "version", "from", "to", "sequence", "kind", "content", "signature"]
    item = cbor.decode(good)
    for name, part in list(zip(names, item.value))[:7]:
        at = part.end - 1
        changed = good[:at] + bytes([good[at] ^ 1]) + good[at + 1:]
        code = outcome(gap.read, changed, (GATEWAY.id, GATEWAY.gap.key), _senders(), 4)[1]
        rows.append(_row("flip: " + name, changed, GATEWAY, code, 4))
    rows.append(_row("flip: signature", good[:-1] + bytes([good[-1] ^ 1]), GATEWAY, "bad-signature", 4))
    parts = [part.plain() for part in item.value]
    for name, items, code in (("seven items", parts[:7], "gap-structure"),
                              ("nine items", parts + [0], "gap-structure"),
                              ("another tag", ["assure-map"] + parts[1:], "gap-tag"),
                              ("tag as bytes", [b"assure-gap"] + parts[1:], "gap-tag"),
                              ("version 2", parts[:1] + [2] + parts[2:], "gap-version"),
                              ("kind 8", parts[:5] + [8] + parts[6:], "gap-kind"),
                              ("negative sequence", parts[:4] + [-1] + parts[5:], "gap-sequence"),
                              ("sequence 2^32", parts[:4] + [2**32] + parts[5:], "gap-sequence")):
        rows.append(_row("structure: " + name, cbor.encode(items), GATEWAY, code, 4))
    rows.append(_row("structure: trailing octet", good + b"\x00", GATEWAY, "cbor-trailing", 4))
    rows.append(_row("structure: cut", good[:-1], GATEWAY, "cbor-truncated", 4))
    return rows


def _bundles():
    ta, upload = labels.uuid("gap/ta"), people.ec("record/identity", ecc.P521)
    roots = [ROOT.definition, ROOT_RSA.definition]
    data, tbs = gap.make_bundle(ta, roots, 1, upload.spki, ROOT.signer, NOON)
    rows = [judged("bundle", None, outcome(gap.read_bundle, data), kind="bundle", bytes=data, tbs=tbs, ta_id=ta,
                   generation=1, roots=roots, upload_spki=upload.spki, fingerprint=hashlib.sha256(data).digest())]
    other = people.ec("gap/root-2")
    private = [keys.definition(ROOT.key, ROOT.key_id, private=True), roots[1]]
    cases = [("signed by another key", gap.make_bundle(ta, roots, 1, upload.spki, other.signer, NOON)[0], "bundle-signer"),
             ("signed by the RSA root", gap.make_bundle(ta, roots, 1, upload.spki, ROOT_RSA.signer, NOON)[0], "bundle-signer"),
             ("root replaced", data.replace(ROOT.definition[4:], people.Party("x", other.key, ROOT.key_id).definition[4:]),
              "bad-signature"),
             ("private key inside", gap.make_bundle(ta, private, 1, upload.spki, ROOT.signer, NOON)[0], "private-key-present"),
             ("roots swapped", gap.make_bundle(ta, roots[::-1], 1, upload.spki, ROOT.signer, NOON)[0], "bundle-structure"),
             ("one root", gap.make_bundle(ta, roots[:1], 1, upload.spki, ROOT.signer, NOON)[0], "bundle-structure"),
             ("generation 0", gap.make_bundle(ta, roots, 0, upload.spki, ROOT.signer, NOON)[0], "bundle-structure"),
             ("upload key on P-256", gap.make_bundle(ta, roots, 1, other.spki, ROOT.signer, NOON)[0], "bundle-structure"),
             ("signature flipped", data[:-1] + bytes([data[-1] ^ 1]), "bad-signature"),
             ("a gap file", _make(IDENTITY, GATEWAY, 3, b"\x80", 1, "b")[0], "bundle-structure"),
             ("trailing octet", data + b"\x00", "cbor-trailing")]
    rows += [judged("bundle: " + name, code, outcome(gap.read_bundle, octets), kind="bundle", bytes=octets)
             for name, octets, code in cases]
    rows.append(accepted("file name", kind="name", to_text=labels.uuid_text(ta), sequence=42,
                         file_name=gap.name(labels.uuid_text(ta), 42)))
    return rows
