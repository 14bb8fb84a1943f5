"""parameterset.json, time.json and channel.json."""

import datetime
import json

import cbor
import labels
import worlds
from refusal import outcome, require
from vectors import accepted, file_octets, judged

SET = ("Parameter sets (layouts 2.14, G 27; A-ASSURE-43, -44). 'bytes' is the CBOR, 'choices' the JSON twin of "
       "15.2, compact and in the order of A-ASSURE-44; 'read' what defaults give.")
TIME = ("Timestamps of 7.11. 'kind' simple: u32 seconds since 2010; precise: ARRAY of seconds and 2^-32 fraction; "
        "convert: Unix time to aSSURE time.")
CHANNEL = ("'kind' channel: definition of 10.1.6 (flags in the printed order); info: 10.1.17; goodbye: reason of "
           "11.3.2; channel_id: answer of 10.1.6; status: 10.1.11. A-ASSURE-63, -102, -106.")
EPOCH = 1262304000
METHODS = {1: "GET", 2: "POST", 3: "PUT", 4: "DELETE"}
SCHEMAS = ("authenticated_key", "channel", "cbor-any", "empty")
SET_MAX = 64 * 1024


def build():
    return {"parameterset.json": file_octets(SET, _sets()), "time.json": file_octets(TIME, _times()),
            "channel.json": file_octets(CHANNEL, _channels() + _infos() + _small())}


# --- parameter sets -------------------------------------------------------------

def read_set(data):
    """{name, choices} with defaults filled in."""
    code = "parameter-set"
    require(len(data) <= SET_MAX, "parameter-set-too-large")
    parts = cbor.array(cbor.decode(data), code, 4)
    require(cbor.uint(parts[0], code) == 2, "parameter-set-content")
    require(cbor.uint(parts[1], code) == 1, "parameter-set-version")
    require(parts[2].kind == "text", code)
    choices = []
    for choice in cbor.array(parts[3], code):
        name, messages = cbor.array(choice, code, 2)
        require(name.kind == "text", code)
        choices.append({"name": name.value, "messages": [_message(m) for m in cbor.array(messages, code)]})
    return {"name": parts[2].value, "choices": choices}


def _message(item):
    code = "parameter-set"
    require(item.kind == "map", code)
    require(all(key.kind in ("uint", "negative") for key, _ in item.value), code)
    got = {key.value: value for key, value in item.value}
    require(0 in got and 1 in got and 2 in got, code)
    method = cbor.uint(got[0], code)
    require(method in METHODS, code)
    for number in (1, 2, 6):
        require(number not in got or got[number].kind == "text", code)
    require(got[2].value in SCHEMAS, code)
    require(3 not in got or got[3].kind == "bool", code)
    required = 3 in got and got[3].value
    least = cbor.uint(got[4], code) if 4 in got else int(required)
    most = cbor.uint(got[5], code) if 5 in got else 1
    require(least <= most, code)
    out = {"method": METHODS[method], "path": got[1].value, "payload": got[2].value, "required": required,
           "min": least, "max": most}
    if 6 in got:
        out["description"] = got[6].value
    return out


def _sets():
    full = {0: 3, 1: "/v1/app/schedule/{day}", 2: "cbor-any", 3: True, 4: 1, 5: 7, 6: "One entry per day"}
    short = {0: 3, 1: "/v1/channels/{id}", 2: "channel"}
    good = [("one choice, one full message", [2, 1, "thermostat", [["default", [full]]]]),
            ("absent members have defaults", [2, 1, "thermostat", [["default", [short]]]]),
            ("required without min", [2, 1, "x", [["default", [short, {**short, 3: True}]]]]),
            ("two choices, all methods", [2, 1, "lamp", [
                ["keys", [{0: 3, 1: "/v1/keys/{uuid}", 2: "authenticated_key", 5: 4}]],
                ["all", [{0: m, 1: "/v1/app", 2: "empty"} for m in (1, 2, 3, 4)]]]]),
            ("no choices", [2, 1, "bare", []]), ("choice without messages", [2, 1, "bare", [["none", []]]]),
            ("empty names", [2, 1, "", [["", []]]]),
            ("unknown integer key ignored and kept", [2, 1, "x", [["default", [{**short, 7: [1], 100: b"\x01"}]]]]),
            ("unknown negative key ignored", [2, 1, "x", [["default", [{**short, -1: 0}]]]]),
            ("text beyond ASCII", [2, 1, "Heizk\u00f6rper", [["\u00fc", [{**short, 6: "\u20ac"}]]]])]
    rows = []
    for name, value in good:
        data = cbor.encode(value)
        ok, found = outcome(read_set, data)
        choices = json.dumps(found["choices"], separators=(",", ":"), ensure_ascii=False) if ok else ""
        rows.append(judged(name, None, (ok, found), bytes=data, read=found, choices=choices))
    bad = [("content 1", [1, 1, "x", []], "parameter-set-content"), ("content 3", [3, 1, "x", []], "parameter-set-content"),
           ("version 2", [2, 2, "x", []], "parameter-set-version"), ("name as bytes", [2, 1, b"x", []], "parameter-set"),
           ("three items", [2, 1, "x"], "parameter-set"), ("five items", [2, 1, "x", [], 0], "parameter-set"),
           ("choice without name", [2, 1, "x", [[[]]]], "parameter-set"),
           ("choice name as bytes", [2, 1, "x", [[b"n", []]]], "parameter-set"),
           ("message as ARRAY", [2, 1, "x", [["n", [[3, "/p", "empty"]]]]], "parameter-set")]
    for name, message in (("method 0", {**short, 0: 0}), ("method 5", {**short, 0: 5}), ("method as text", {**short, 0: "PUT"}),
                          ("path as bytes", {**short, 1: b"/"}), ("unknown payload name", {**short, 2: "xml"}),
                          ("required as 1", {**short, 3: 1}), ("min negative", {**short, 4: -1}), ("max as text", {**short, 5: "9"}),
                          ("min above max", {**short, 4: 3, 5: 2}), ("description as bytes", {**short, 6: b"x"}),
                          ("text key", {**short, "x": 1}), ("no method", {1: "/p", 2: "empty"}), ("no path", {0: 3, 2: "empty"}),
                          ("no payload name", {0: 3, 1: "/p"}), ("min 2 with max left out", {**short, 4: 2})):
        bad.append((name, [2, 1, "x", [["n", [message]]]], "parameter-set"))
    rows += [judged(name, code, outcome(read_set, cbor.encode(value)), bytes=cbor.encode(value))
             for name, value, code in bad]
    filler = SET_MAX - len(cbor.encode([2, 1, "x" * 60000, []]))
    for name, size, code in (("65536 octets", 0, None), ("65537 octets", 1, "parameter-set-too-large")):
        data = cbor.encode([2, 1, "x" * (60000 + filler + size), []])
        rows.append(judged(name, code, outcome(read_set, data), bytes=data))
    whole = cbor.encode([2, 1, "x", []])
    rows.append(judged("trailing octet", "cbor-trailing", outcome(read_set, whole + b"\x00"), bytes=whole + b"\x00"))
    twice = b"\x84\x02\x01\x61x\x81\x82\x61n\x81\xa4\x00\x03\x01\x61p\x02\x65empty\x00\x03"
    rows.append(judged("message key twice", "cbor-duplicate-key", outcome(read_set, twice), bytes=twice))
    return rows


# --- timestamps -----------------------------------------------------------------

def read_simple(data):
    return cbor.uint(cbor.decode(data), "timestamp")


def read_precise(data):
    parts = cbor.array(cbor.decode(data), "timestamp", 2)
    return cbor.uint(parts[0], "timestamp"), cbor.uint(parts[1], "timestamp")


def from_unix(seconds, nanoseconds=0):
    """(seconds, fraction); the fraction is cut, never rounded up."""
    value = seconds - EPOCH
    require(0 <= value < 2**32 and 0 <= nanoseconds < 10**9, "timestamp")
    return value, nanoseconds * 2**32 // 10**9


def _times():
    rows = []
    for name, value, utc in (("epoch", 0, "2010-01-01T00:00:00Z"), ("one day", 86400, "2010-01-02T00:00:00Z"),
                             ("the vectors' own time", 520000000, _utc(520000000 + EPOCH)),
                             ("signed limit of the text", 2**31 - 1, "2078-01-19T03:14:07Z"),
                             ("2^31", 2**31, "2078-01-19T03:14:08Z"), ("u32 max", 2**32 - 1, "2146-02-07T06:28:15Z")):
        data = cbor.encode(value)
        rows.append(judged("simple: " + name, None, outcome(read_simple, data), kind="simple", bytes=data,
                           seconds=value, unix=value + EPOCH, utc=_utc(value + EPOCH)))
        assert utc == _utc(value + EPOCH)
    for name, data, code in (("minus one", cbor.encode(-1), "timestamp"), ("2^32", cbor.encode(2**32), "timestamp"),
                             ("as float", b"\xfa\x00\x00\x00\x00", "cbor-simple"), ("tag 1", b"\xc1\x00", "cbor-tag"),
                             ("as bytes", cbor.encode(b"\x00" * 4), "timestamp"), ("null", b"\xf6", "timestamp"),
                             ("not shortest", b"\x1a\x00\x00\x00\x00", "cbor-not-shortest")):
        rows.append(judged("simple: " + name, code, outcome(read_simple, data), kind="simple", bytes=data))
    for name, value in (("whole second", (520000000, 0)), ("half a second", (520000000, 2**31)),
                        ("last step", (520000000, 2**32 - 1)), ("first step", (0, 1)),
                        ("u32 max", (2**32 - 1, 2**32 - 1))):
        data = cbor.encode(list(value))
        nanoseconds = value[1] * 10**9 >> 32
        rows.append(judged("precise: " + name, None, outcome(read_precise, data), kind="precise", bytes=data,
                           seconds=value[0], fraction=value[1], unix=value[0] + EPOCH, nanoseconds=nanoseconds))
    for name, value in (("one item", [1]), ("three items", [1, 2, 3]), ("fraction 2^32", [1, 2**32]),
                        ("fraction negative", [1, -1]), ("seconds negative", [-1, 0]), ("seconds 2^32", [2**32, 0]),
                        ("fraction as bytes", [1, b""]), ("MAP", {0: 1}), ("simple form", 5), ("empty", [])):
        data = cbor.encode(value)
        rows.append(judged("precise: " + name, "timestamp", outcome(read_precise, data), kind="precise", bytes=data))
    for name, seconds, nanoseconds, code in (
            ("epoch", EPOCH, 0, None), ("half", EPOCH + 1, 500000000, None), ("one nanosecond", EPOCH, 1, None),
            ("last nanosecond", EPOCH, 999999999, None), ("u32 max", EPOCH + 2**32 - 1, 0, None),
            ("before 2010", EPOCH - 1, 0, "timestamp"), ("Unix epoch", 0, 0, "timestamp"),
            ("after 2146", EPOCH + 2**32, 0, "timestamp")):
        good, value = outcome(from_unix, seconds, nanoseconds)
        fields = {"seconds": value[0], "fraction": value[1]} if good else {}
        rows.append(judged("convert: " + name, code, (good, value), kind="convert", unix=seconds,
                           nanoseconds=nanoseconds, **fields))
    return rows


def _utc(unix):
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=unix)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


# --- channels, info, goodbye ------------------------------------------------------

def read_channel(data):
    """{local, peer, flags, address}; an empty peer means the local key (PSK)."""
    code = "channel-structure"
    parts = cbor.array(cbor.decode(data), code, 4)
    local = cbor.octets(parts[0], code, 16)
    peer = cbor.octets(parts[1], code)
    require(len(peer) in (0, 16), code)
    flags = cbor.array(parts[2], code)
    require(len(flags) >= 5 and all(flag.kind == "bool" for flag in flags), code)
    return {"local_key_id": local, "peer_key_id": peer or local, "flags": [f.value for f in flags[:5]],
            "address": _address(parts[3])}


def _address(item):
    code = "channel-address"
    parts = cbor.array(item, code)
    require(parts, code)
    kind = cbor.uint(parts[0], code)
    if kind == 0:
        require(len(parts) == 3, code)
        net = None if parts[1].kind == "null" else cbor.uint(parts[1], code, 16)
        address = cbor.octets(parts[2], code)
        require(1 <= len(address) <= 18, code)
        return {"type": 0, "net": net, "address": address}
    if kind == 1:
        require(len(parts) == 4, code)
        remote = cbor.octets(parts[1], code)
        require(len(remote) in (4, 16), code)
        remote_port = cbor.uint(parts[3], code, 16)
        require(remote_port > 0, code)
        return {"type": 1, "remote": remote, "local_port": cbor.uint(parts[2], code, 16), "remote_port": remote_port}
    require(kind == 2 and len(parts) == 2, code)
    return {"type": 2, "mac": cbor.octets(parts[1], code, 6)}


def _channel(name, value, expected=None):
    data = value if isinstance(value, bytes) else cbor.encode(value)
    good, found = outcome(read_channel, data)
    fields = {"read": found} if good else {}
    return judged("channel: " + name, expected, (good, found), kind="channel", bytes=data, **fields)


def _channels():
    a, b = labels.uuid("channel/a"), labels.uuid("channel/b")
    no, ip = [False] * 5, [1, worlds.ADDRESS, 0, worlds.PORT]
    v6 = bytes.fromhex("20010db8000000000000000000000001")
    names = ("persistent_across_reboots", "open_immediately", "channel_management_privilege",
             "system_management_privilege", "key_management_privilege")
    rows = [_channel("first bootstrap channel, PSK", worlds.channel_definition(a, b"")),
            _channel("first bootstrap channel, public keys", worlds.channel_definition(a, b)),
            _channel("no flags", [a, b, no, ip])]
    for index, name in enumerate(names):
        rows.append(_channel("only " + name, [a, b, [i == index for i in range(5)], ip]))
    for name, address in (("IPv6", [1, v6, 0, 49684]), ("local port given", [1, worlds.ADDRESS, 49683, 65535]),
                          ("BACnet, local network", [0, None, b"\x0b"]), ("BACnet, network 5", [0, 5, b"\xc0\x00\x02\x0a\xba\xc0"]),
                          ("BACnet, network 65535", [0, 65535, b"\x01"]), ("Bluetooth", [2, bytes.fromhex("a0b1c2d3e4f5")])):
        rows.append(_channel("address " + name, [a, b, no, address]))
    rows.append(_channel("sixth flag tolerated", [a, b, no + [True], ip]))
    bad = [("four flags", [a, b, no[:4], ip], None), ("flag as integer", [a, b, no[:4] + [0], ip], None),
           ("sixth flag as integer", [a, b, no + [1], ip], None), ("flags as MAP", [a, b, {}, ip], None),
           ("local id empty", [b"", b, no, ip], None), ("local id of 15 octets", [a[:15], b, no, ip], None),
           ("peer id of 15 octets", [a, b[:15], no, ip], None), ("peer id null", [a, None, no, ip], None),
           ("three items", [a, b, no], None), ("five items", [a, b, no, ip, 0], None),
           ("address type 3", [a, b, no, [3, b""]], "a"), ("address type 9", [a, b, no, [9]], "a"),
           ("address empty", [a, b, no, []], "a"), ("address as bytes", [a, b, no, worlds.ADDRESS], "a"),
           ("IP of 5 octets", [a, b, no, [1, b"\x00" * 5, 0, 1]], "a"), ("IP empty", [a, b, no, [1, b"", 0, 1]], "a"),
           ("IP as text", [a, b, no, [1, "192.0.2.1", 0, 1]], "a"), ("port 65536", [a, b, no, [1, worlds.ADDRESS, 0, 65536]], "a"),
           ("port negative", [a, b, no, [1, worlds.ADDRESS, 0, -1]], "a"), ("remote port 0", [a, b, no, [1, worlds.ADDRESS, 0, 0]], "a"),
           ("IP of three items", [a, b, no, [1, worlds.ADDRESS, 0]], "a"),
           ("BACnet network 65536", [a, b, no, [0, 65536, b"\x01"]], "a"), ("BACnet address empty", [a, b, no, [0, None, b""]], "a"),
           ("Bluetooth of 5 octets", [a, b, no, [2, b"\x00" * 5]], "a"),
           ("Bluetooth of three items", [a, b, no, [2, b"\x00" * 6, 0]], "a")]
    rows += [_channel(name, value, "channel-address" if kind else "channel-structure") for name, value, kind in bad]
    rows.append(_channel("trailing octet", worlds.channel_definition(a, b) + b"\x00", "cbor-trailing"))
    return rows


INFO = ("device_id", "device_mac_address", "device_manufacturer", "device_product_code", "device_serial_number",
        "device_build_date", "software_manufacturer", "software_product_code", "software_version")


def read_info(data):
    code = "info-structure"
    parts = cbor.array(cbor.decode(data), code, 9)
    cbor.octets(parts[0], code, 16)
    require(len(cbor.octets(parts[1], code)) in (0, 6), code)
    require(all(part.kind == "text" for part in parts[2:]), code)
    return dict(zip(INFO, (part.value for part in parts)))


def _infos():
    uuid, mac = labels.uuid("channel/device"), bytes.fromhex("0200c0000201")
    full = [uuid, mac, "maker", "product", "serial", "2026-06-24", "software maker", "software product", "1.2.3"]
    cases = [("full", full, None), ("only the id", [uuid, b""] + [""] * 7, None),
             ("texts beyond ASCII", full[:2] + ["\u00c4\u20ac"] + full[3:], None),
             ("eight items", full[:8], 1), ("ten items", full + [""], 1), ("id empty", [b""] + full[1:], 1),
             ("id as text", [labels.uuid_text(uuid)] + full[1:], 1), ("mac as text", [uuid, "02"] + full[2:], 1),
             ("mac of 5 octets", [uuid, mac[:5]] + full[2:], 1), ("manufacturer as bytes", full[:2] + [b""] + full[3:], 1),
             ("version as bytes", full[:8] + [b"1"], 1), ("version null", full[:8] + [None], 1), ("mac null", [uuid, None] + full[2:], 1)]
    rows = []
    for name, value, bad in cases:
        data = cbor.encode(value)
        good, found = outcome(read_info, data)
        fields = {"read": found} if good else {}
        rows.append(judged("info: " + name, "info-structure" if bad else None, (good, found), kind="info", bytes=data, **fields))
    return rows


def _small():
    """Single integers: goodbye reasons, channel ids, channel states."""
    rows = []

    def goodbye(data):
        value = cbor.uint(cbor.decode(data), "goodbye")
        require(value <= 4, "goodbye")
        return value

    def channel_id(data):
        value = cbor.uint(cbor.decode(data), "channel-id")
        require(value > 0, "channel-id")
        return value

    meanings = ("shutting down", "reboot by management system", "bootstrap by management system",
                "reboot by local controls", "bootstrap by local controls")
    for value in (0, 1, 2, 3, 4, 5, 255, -1):
        data = cbor.encode(value)
        good = 0 <= value <= 4
        fields = {"reason_code": value, "meaning": meanings[value]} if good else {}
        rows.append(judged("goodbye: %d" % value, None if good else "goodbye", outcome(goodbye, data), kind="goodbye",
                           bytes=data, **fields))
    for name, data, code in (("as ARRAY", b"\x81\x00", "goodbye"), ("as text", b"\x610", "goodbye"), ("empty", b"", "cbor-truncated"),
                             ("not shortest", b"\x18\x00", "cbor-not-shortest")):
        rows.append(judged("goodbye: " + name, code, outcome(goodbye, data), kind="goodbye", bytes=data))
    for value in (1, 0xFFFF, 0x10000, 2**32 - 1, 0, 2**32, -1):
        data = cbor.encode(value)
        good = 0 < value < 2**32
        rows.append(judged("channel id: %d" % value, None if good else "channel-id", outcome(channel_id, data),
                           kind="channel_id", bytes=data, **({"channel_id": value} if good else {})))
    definition = cbor.Raw(worlds.channel_definition(labels.uuid("channel/a"), b""))
    for state in (0, 1, 2, 3, 4, 10, 11, 12, 13):
        rows.append(accepted("status: state %d" % state, kind="status", channel_id=1, state=state,
                             definition=bytes(definition), bytes=cbor.encode([definition, [1, state]])))
    return rows
