"""hint.json: PSK identity hints, psk identities and the peer_name extension."""

import base64
import binascii

import cbor
import keys
import labels
import people
import worlds
from refusal import Refusal, outcome, require
from vectors import file_octets, judged

ABOUT = ("'kind' hint: ServerKeyExchange.psk_identity_hint text; identity: psk_identity text; peer_name: "
         "extension_data of type 0xFF78; chain: a hint list evaluated from the device secret. "
         "Layouts 2.12, 2.13, G 24, G 25; A-ASSURE-49, -50, -52, -53; OS-C1, M2, M3.")
CHAIN_MAX = 8
PEER_NAME_TYPE = 0xFF78


def build():
    return {"hint.json": file_octets(ABOUT, _hints() + _identities() + _chains() + _names(),
                                     peer_name_type=PEER_NAME_TYPE)}


def text_of(octets):
    return base64.b64encode(octets).decode()


def _octets_of(text):
    """Base64 with padding, RFC 4648 section 4, canonical."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("hint-base64") from None
    require(data and text_of(data) == text, "hint-base64")
    return data


def read_hint(text):
    """("id", [id]) or ("single" or "list", definitions in order)."""
    item = cbor.decode(_octets_of(text))
    if item.kind == "bytes":
        return "id", [cbor.octets(item, "hint-form", 16)]
    parts = cbor.array(item, "hint-form")
    require(parts, "hint-form")
    if parts[0].kind == "array":
        require(len(parts) <= CHAIN_MAX, "hint-chain")
        return "list", [keys.parse(part) for part in parts]
    return "single", [keys.parse(item)]


def read_identity(text):
    return cbor.octets(cbor.decode(_octets_of(text)), "hint-form", 16)


def _hint(name, text, expected=None, **fields):
    good, value = outcome(read_hint, text)
    if good:
        form, found = value
        ids = found if form == "id" else [d.key_id for d in found]
        fields.update(form=form, key_ids=ids, named_key_id=ids[-1], length=len(text))
        if form != "id":
            fields["definitions"] = [d.raw for d in found]
    return judged("hint: " + name, expected, (good, value), kind="hint", text=text, **fields)


def _chain(length, prefix="hint"):
    """Definitions derived one from the other, the first from a device secret."""
    device = people.Secret(prefix + "/device", key_id=labels.uuid(prefix + "/device"))
    secrets, above = [], device
    for index in range(length):
        one = people.Secret("%s/%d" % (prefix, index))
        secrets.append((one, one.define(one.derived_from(above))))
        above = one
    return device, secrets


def _hints():
    world = worlds.SharedWorld("ss")
    _, chain = _chain(9)
    definitions = [cbor.Raw(definition) for _, definition in chain]
    rows = [_hint("key id", text_of(cbor.encode(chain[0][0].key_id))),
            _hint("single definition", text_of(chain[0][1])),
            _hint("bootstrap server key of the shared-secret world", text_of(world.bootstrap_definition))]
    for count in (1, 2, 3, 8):
        rows.append(_hint("list of %d" % count, text_of(cbor.encode(definitions[:count])), written=count > 1))
    good = text_of(cbor.encode(chain[0][0].key_id))
    one = chain[0][1]
    cases = [("list of nine", text_of(cbor.encode(definitions)), "hint-chain"),
             ("empty list", text_of(b"\x80"), "hint-form"), ("empty text", "", "hint-base64"),
             ("id of 15 octets", text_of(cbor.encode(b"\x00" * 15)), "hint-form"),
             ("id of 17 octets", text_of(cbor.encode(b"\x00" * 17)), "hint-form"),
             ("id as integer", text_of(cbor.encode(7)), "hint-form"),
             ("id as text", text_of(cbor.encode("x" * 16)), "hint-form"),
             ("MAP", text_of(b"\xa0"), "hint-form"), ("null", text_of(b"\xf6"), "hint-form"),
             ("list of ids", text_of(cbor.encode([chain[0][0].key_id])), "key-structure"),
             ("definition of content 0", text_of(b"\x84\x00" + one[2:]), "key-content"),
             ("definition then id", text_of(cbor.encode([definitions[0], chain[0][0].key_id])), "key-structure"),
             ("two CBOR items", text_of(one + one), "cbor-trailing"), ("definition cut", text_of(one[:-1]), "cbor-truncated"),
             ("without padding", good.rstrip("="), "hint-base64"), ("URL alphabet", good[:-4] + "_-" + good[-2:], "hint-base64"),
             ("line end", good + "\n", "hint-base64"), ("space inside", good[:8] + " " + good[8:], "hint-base64"),
             ("hexadecimal", cbor.encode(chain[0][0].key_id).hex(), "any"),
             ("spare bits set", good[:-3] + _next(good[-3]) + "==", "hint-base64")]
    for name, text, reason in cases:
        found = outcome(read_hint, text)[1]
        rows.append(_hint(name, text, found if reason == "any" else reason))
    return rows


def _next(character):
    """The Base64 character that differs in the lowest bit (a spare one before '==')."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return alphabet[alphabet.index(character) ^ 1]


def _identities():
    key_id = labels.uuid("hint/identity")
    good = text_of(cbor.encode(key_id))
    assert len(good) == 24
    rows = [judged("identity: key id", None, outcome(read_identity, good), kind="identity", text=good, key_id=key_id)]
    for name, text, reason in (("definition", text_of(_chain(1)[1][0][1]), "hint-form"),
                               ("uuid text", labels.uuid_text(key_id), "hint-base64"),
                               ("bare id", text_of(key_id), "any"), ("empty", "", "hint-base64"),
                               ("id of 15 octets", text_of(cbor.encode(key_id[:15])), "hint-form"),
                               ("without padding", good.rstrip("="), "hint-base64")):
        result = outcome(read_identity, text)
        rows.append(judged("identity: " + name, result[1] if reason == "any" else reason, result, kind="identity",
                           text=text))
    return rows


def walk(definitions, device_id, secret, rounds=keys.ROUNDS_MAX_HANDSHAKE):
    """(psk, rounds spent) of a bootstrap hint: each item from the device key or the one before it."""
    held, last, spent = {device_id: secret}, None, 0
    for data in definitions:
        found = keys.parse_octets(data)
        usable = {k: v for k, v in held.items() if k in (device_id, last)}
        value, more = keys.use(found, usable, rounds - spent)
        spent += more
        last, held[found.key_id] = found.key_id, value
        psk = value
    return psk, spent


def _chains():
    rows = []

    def row(name, definitions, device, expected=None):
        good, value = outcome(walk, definitions, device.key_id, device.secret)
        fields = {"psk": value[0], "rounds_spent": value[1]} if good else {}
        rows.append(judged("chain: " + name, expected, (good, value), kind="chain", uuid=device.key_id,
                           secret=device.secret, definitions=definitions, **fields))

    for count in (1, 2, 8):
        device, chain = _chain(count)
        row("%d definitions" % count, [d for _, d in chain], device)
    device, chain = _chain(3)
    octets = [d for _, d in chain]
    row("reverse order", octets[:2][::-1], device, "reference-unknown")
    row("item skipped", [octets[0], octets[2]], device, "reference-unknown")
    sibling = people.Secret("hint/sibling")
    row("third from the first, not from the one before it", octets[:2] + [sibling.define(
        sibling.derived_from(chain[0][0]))], device, "reference-unknown")
    heavy = []
    above = device
    for index, rounds in enumerate((10000, 10000, 1)):
        one = people.Secret("hint/heavy-%d" % index)
        heavy.append(one.define(one.derived_from(above, rounds)))
        above = one
    row("20000 rounds in sum", heavy[:2], device)
    row("20001 rounds in sum (M3)", heavy, device, "rounds-too-many")
    salt = worlds.ROOT_SALT + device.key_id
    way = [device.key_id, salt, 1000, b"\x00" * 32]
    row("27-octet salt and zeros (M2)", [keys.derived(sibling.key_id, [way])], device, "salt-length")
    for size in (1, 15):
        way = [device.key_id, labels.octets("hint/salt", 16), 1000, b"\x00" * size]
        row("encrypted secret of %d octets (M2)" % size, [keys.derived(sibling.key_id, [way])], device,
            "encrypted-secret-length")
    return rows


def read_peer_name(data):
    """The uuid of a PeerNameList, or None when an unknown type comes first."""
    require(len(data) >= 2, "peer-name")
    length = int.from_bytes(data[:2], "big")
    require(length == len(data) - 2 and length >= 1, "peer-name")
    name, position = None, 2
    while position < len(data):
        if data[position] != 0:
            return name
        require(position + 17 <= len(data) and name is None, "peer-name")
        name = data[position + 1:position + 17]
        position += 17
    return name


def _names():
    uuid = labels.uuid("hint/name")
    good = b"\x00\x11\x00" + uuid
    cases = [("one uuid", good, None),
             ("uuid, then an unknown type", b"\x00\x14\x00" + uuid + b"\x07ab", None),
             ("uuid, then an unknown type without name", b"\x00\x12\x00" + uuid + b"\xff", None),
             ("unknown type first: no name", b"\x00\x14\x07ab" + b"\x00" + uuid, None),
             ("unknown type alone: no name", b"\x00\x01\x01", None),
             ("two uuids", b"\x00\x22\x00" + uuid + b"\x00" + uuid, "peer-name"),
             ("uuid of 15 octets", b"\x00\x10\x00" + uuid[:15], "peer-name"),
             ("uuid of 17 octets", b"\x00\x12\x00" + uuid + b"\x00", "peer-name"),
             ("list length too small", b"\x00\x10\x00" + uuid, "peer-name"),
             ("list length too large", b"\x00\x12\x00" + uuid, "peer-name"),
             ("octet after the list", good + b"\x00", "peer-name"),
             ("empty list", b"\x00\x00", "peer-name"), ("empty", b"", "peer-name"), ("one octet", b"\x00", "peer-name"),
             ("type without name", b"\x00\x01\x00", "peer-name"), ("uuid alone", uuid, "peer-name")]
    rows = []
    for name, data, reason in cases:
        good_, value = outcome(read_peer_name, data)
        fields = {"uuid": value} if good_ else {"alert": 50}
        rows.append(judged("peer_name: " + name, reason, (good_, value), kind="peer_name", bytes=data, **fields))
    return rows
