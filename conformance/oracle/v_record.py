"""record.json: what a maker uploads for one device."""

import cbor
import ecc
import labels
import people
import record
from refusal import outcome
from vectors import file_octets, judged

ABOUT = ("Maker's record (9.2.1). 'blob' is the request body of PUT /v1/devices/{uuid}; 'plaintext' the CBOR ARRAY "
         "[JSON octets, station signature]. 'identity' holds the P-521 key, 'stations' the list of station keys. "
         "Layouts 2.10, G 20, G 21; A-ASSURE-38, -39; OS-M11, TS-L6.")
MAKER, UUID = labels.uuid("record/maker"), labels.uuid("record/device")
IDENTITY = people.ec("record/identity", ecc.P521)
STATION = people.ec("record/station")
LISTED = {STATION.key_id: STATION}


def build():
    shown = {"maker_id": MAKER, "maker_id_text": labels.uuid_text(MAKER), "identity": IDENTITY.published(),
             "stations": [STATION.published()]}
    return {"record.json": file_octets(ABOUT, _good() + _sealed_bad() + _signed_bad() + _json_bad(), world=shown)}


def fields(uuid=UUID, **changes):
    """A record in the order of 9.2.1; a change of None leaves a field out."""
    secret = labels.octets("record/secret/" + uuid.hex(), 32)
    out = {"id": labels.uuid_text(uuid), "bootstrap_server": 0xFFFF0001,
           "case_string": labels.octets("record/case/" + uuid.hex(), 16).hex(), "shared_secret": secret.hex(),
           "public_key": None, "parameter_set": labels.uuid_text(labels.uuid("record/parameters")),
           "capabilities": {name: False for name in record.CAPABILITIES}}
    out.update(changes)
    return {name: value for name, value in out.items() if value is not None}


def _row(name, blob, expected=None, uuid=UUID, maker=MAKER, **extra):
    good, value = outcome(record.read, blob, IDENTITY.key, uuid, maker, LISTED)
    if good:
        extra.update(json=value[0].decode(), plaintext=record.unseal(blob, IDENTITY.key, uuid, maker))
    return judged(name, expected, (good, value), uuid=uuid, maker_id=maker, blob=blob, **extra)


def _plain(json_bytes, station=STATION):
    return record.close(json_bytes, station.signer, people.NOON)[0]


def _blob(label, plaintext, padded=None, uuid=UUID, maker=MAKER, key=IDENTITY):
    return record.seal(plaintext, key.key.point, uuid, maker, "record/" + label, padded)


def _good():
    ec, rs = people.ec("record/ec"), people.rsa_party("record/rsa")
    all_true = {name: True for name in record.CAPABILITIES}
    cases = [("shared secret", fields()),
             ("shared secret of 16 octets", fields(shared_secret="00" * 16)),
             ("shared secret of 64 octets", fields(shared_secret="ab" * 64)),
             ("EC", fields(shared_secret=None, public_key=record.pem(ec.spki), capabilities=all_true)),
             ("RSA", fields(shared_secret=None, public_key=record.pem(rs.spki),
                            capabilities=dict(all_true, ec_capable=False))),
             ("unknown names kept", fields(colour="grey", capabilities=dict(all_true, chacha_capable=True))),
             ("id in upper case", fields(id=labels.uuid_text(UUID).upper())),
             ("bootstrap server 0", fields(bootstrap_server=0)),
             ("bootstrap server u32 max", fields(bootstrap_server=2**32 - 1))]
    rows = []
    for name, value in cases:
        plaintext, tbs = record.close(record.json_octets(value), STATION.signer, people.NOON)
        ephemeral = ecc.PrivateKey.from_label(ecc.P521, "record/%s/ephemeral" % name)
        info1, info2 = record.shared_infos(ephemeral.point, UUID, MAKER)
        rows.append(_row(name, _blob(name, plaintext), tbs=tbs,
                         ephemeral_scalar=ephemeral.scalar.to_bytes(66, "big"), shared_info1=info1,
                         shared_info2=info2, z=ephemeral.exchange(IDENTITY.key.point)))
    for name, size in (("plaintext of 16384 octets", 16384),):
        rows.append(_row(name, _blob(name, _sized(size))))
    return rows


def _sized(size):
    """A signed plaintext of exactly `size` octets."""
    filler = size - len(_plain(record.json_octets(fields(note="x" * 1000)))) + 1000
    return _plain(record.json_octets(fields(note="x" * filler)))


def _flip(octets, at):
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1:]


def _sealed_bad():
    plaintext = _plain(record.json_octets(fields()))
    blob = _blob("shared secret", plaintext)
    other_key = people.ec("record/identity-2", ecc.P521)
    negated = ecc.negated(ecc.P521, blob[:133]) + blob[133:]
    small = ecc.PrivateKey.from_label(ecc.P384, "record/p384").point
    cases = [("another maker id", blob, "ecies-mac", UUID, labels.uuid("record/maker-2")),
             ("another device", blob, "ecies-mac", labels.uuid("record/device-2"), MAKER),
             ("R negated (TS-L6)", negated, "ecies-mac"),
             ("R flipped", _flip(blob, 132), "ec-point"), ("R compressed", ecc.compressed(
                 ecc.P521, blob[:133]) + blob[133:], "any"),
             ("R of P-384", small + blob[133:], "any"),
             ("R with marker 06", b"\x06" + blob[1:], "ec-point"),
             ("ciphertext flipped", _flip(blob, 140), "ecies-mac"), ("tag flipped", _flip(blob, -1 % len(blob)), "ecies-mac"),
             ("tag cut", blob[:-1], "ecies-structure"), ("a block less", blob[:-80] + blob[-64:], "ecies-mac"),
             ("trailing octet", blob + b"\x00", "ecies-structure"), ("empty", b"", "ecies-structure"),
             ("R and tag only", blob[:133] + blob[-64:], "ecies-structure"),
             ("for another identity key", _blob("x", plaintext, key=other_key), "ecies-mac"),
             ("JSON in the clear", record.json_octets(fields()), "any"),
             ("padding octet 0", _blob("pad", b"", padded=plaintext[:16] + b"\x00" * 16), "ecies-padding"),
             ("padding octet 17", _blob("pad", b"", padded=plaintext[:16] + b"\x11" * 16), "ecies-padding"),
             ("plaintext of 16385 octets", _blob("large", _sized(16385)), "record-too-large")]
    rows = []
    for name, data, reason, *context in cases:
        uuid, maker = context or (UUID, MAKER)
        found = outcome(record.read, data, IDENTITY.key, uuid, maker, LISTED)[1]
        rows.append(_row(name, data, found if reason == "any" else reason, uuid, maker))
    return rows


def _signed_bad():

    text = record.json_octets(fields())
    good = _plain(text)
    stranger = people.ec("record/station-2")
    false = people.ec("record/station-3", key_id=STATION.key_id)
    signature = cbor.decode(good).value[1].raw
    cases = [("unknown station (M11)", _plain(text, stranger), "unknown-station"),
             ("another key under the station's id", _plain(text, false), "bad-signature"),
             ("signature of another record", cbor.encode([record.json_octets(fields(bootstrap_server=1)),
                                                          cbor.Raw(signature)]), "bad-signature"),
             ("unsigned", cbor.encode([text]), "record-structure"),
             ("three items", cbor.encode([text, cbor.Raw(signature), 0]), "record-structure"),
             ("JSON as text", cbor.encode([text.decode(), cbor.Raw(signature)]), "record-structure"),
             ("JSON alone", text, "any"), ("trailing octet", good + b"\x00", "cbor-trailing")]
    rows = []
    for name, plaintext, reason in cases:
        blob = _blob("signed/" + name, plaintext)
        found = outcome(record.read, blob, IDENTITY.key, UUID, MAKER, LISTED)[1]
        rows.append(_row("plaintext: " + name, blob, found if reason == "any" else reason))
    return rows


def _json_bad():
    ec = people.ec("record/ec")
    text = record.json_octets(fields()).decode()
    cases = [("id of another device", record.json_octets(fields(id=labels.uuid_text(MAKER))), "record-id"),
             ("no id", record.json_octets(fields(id=None)), "record-id"),
             ("id without hyphens", record.json_octets(fields(id=UUID.hex())), "record-id"),
             ("both keys", record.json_octets(fields(public_key=record.pem(ec.spki))), "record-key"),
             ("no key", record.json_octets(fields(shared_secret=None)), "record-key"),
             ("secret of 15 octets", record.json_octets(fields(shared_secret="00" * 15)), "record-key"),
             ("secret of 65 octets", record.json_octets(fields(shared_secret="00" * 65)), "record-key"),
             ("secret not hexadecimal", record.json_octets(fields(shared_secret="zz" * 32)), "record-key"),
             ("bootstrap server 2^32", record.json_octets(fields(bootstrap_server=2**32)), "record-field"),
             ("bootstrap server negative", record.json_octets(fields(bootstrap_server=-1)), "record-field"),
             ("bootstrap server as text", record.json_octets(fields(bootstrap_server="1")), "record-field"),
             ("no case string", record.json_octets(fields(case_string=None)), "record-field"),
             ("no capabilities", record.json_octets(fields(capabilities=None)), "record-field"),
             ("a capability as number", record.json_octets(fields(capabilities=dict(
                 {n: False for n in record.CAPABILITIES}, ec_capable=1))), "record-field"),
             ("comma missing as printed in the draft", text.replace(',"parameter_set"', '"parameter_set"').encode(),
              "record-json"),
             ("comment inside", text.replace("{", "{ // note\n", 1).encode(), "record-json"),
             ("trailing comma", (text[:-1] + ",}").encode(), "record-json"),
             ("name twice", (text[:-1] + ',"id":"x"}').encode(), "record-json"),
             ("not UTF-8", text.encode()[:-1] + b',"x":"\xff"}', "record-json"),
             ("ARRAY", b"[]", "record-json"), ("empty", b"", "record-json")]
    return [_row("json: " + name, _blob("json/" + name, _plain(data)), reason) for name, data, reason in cases]
