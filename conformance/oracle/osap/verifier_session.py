"""The second opinion on records, Das tickets, CONNECT, envelopes and the keys of type 1. Shares nothing with the maker."""

import base64
import hashlib
import hmac
import json

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

DEVICE_RECORDS = ("72", "92", "a2")


def out(secret, info, size):
    return HKDFExpand(algorithm=hashes.SHA256(), length=size, info=info).derive(secret)


def opened(key, nonce, data, extra):
    try:
        return AESGCM(key).decrypt(nonce, data, extra)
    except InvalidTag:
        return None


def xored(iv, number):
    return (int.from_bytes(iv, "big") ^ number).to_bytes(12, "big")


def decoded(text):
    if "=" in text:
        return None
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None


def records(book, rows, runs):
    for row in rows:
        keys, raw, seq = runs[row["run"]]["keys"], bytes.fromhex(row["bytes"]), int(row["seq"])
        byte0 = row.get("byte0", row.get("expects"))
        way = "lbs d2s" if byte0 in DEVICE_RECORDS else "lbs s2d"
        key, iv = bytes.fromhex(keys[way + " key"]), bytes.fromhex(keys[way + " iv"])
        place = 2 if raw[1] < 128 else 3
        length = raw[1] if place == 2 else raw[1] % 128 + 128 * raw[2]
        good = raw[:1].hex() == byte0 and raw[place:place + 3] == b"\x01\x10\x00" and length == len(raw) - place >= 27
        good = good and int.from_bytes(raw[place + 3:place + 11], "big") == seq
        plain = opened(key, xored(iv, seq), raw[place + 11:], raw[:place + 11]) if good else None
        if row["kind"] == "seal":
            book.same("records " + row["name"], plain, row["plain"])
        else:
            book.same("records " + row["name"], plain is not None, row["accept"])


def read_ticket(octets, keys, server):
    """The fields of a Das ticket, or None."""
    if len(octets) < 42 or octets[0] != 1 or octets[1:9].hex() not in keys:
        return None
    info = b"osap-h1 das ticket" + b"\0" + server
    both = HKDF(algorithm=hashes.SHA256(), length=44, salt=octets[9:25], info=info).derive(keys[octets[1:9].hex()])
    plain = opened(both[:32], both[32:], octets[25:], octets[:25])
    if plain is None or len(plain) < 33:
        return None
    end = 33 + plain[32]
    rest = plain[end:]
    if len(rest) < 54 or len(rest) != 54 + rest[53] or rest[54:] != server or rest[0] not in (2, 4, 8):
        return None
    devid = plain[:32]
    if any(c not in b"0123456789abcdef" for c in devid):
        return None
    numbers = [int.from_bytes(rest[a:b], "big") for a, b in ((33, 37), (37, 45), (45, 53))]
    return {"devid": devid, "serial": plain[33:end], "das_secret": rest[1:33], "epoch": numbers[0], "issued": numbers[1],
            "expiry": numbers[2], "protocol": rest[0]}


def tickets(book, rows):
    for row in rows:
        keys = {k["key_id"]: bytes.fromhex(k["key"]) for k in row["ticket_keys"]}
        found = read_ticket(bytes.fromhex(row["bytes"]), keys, row["reader"].encode())
        book.same("das_ticket " + row["name"], found is not None, row["accept"])
        book.same("das_ticket text " + row["name"], decoded(row["user_name"]), row["bytes"])
        if found:
            for name, value in found.items():
                book.same("das_ticket %s: %s" % (row["name"], name), value, row["opened"][name])


def proof(fields, server, conn, packet):
    key = out(fields["das_secret"], b"osap-h1 das auth", 32)
    text = b"\0".join((b"osap-h1 connect", server, fields["serial"], b"")) + fields["epoch"].to_bytes(4, "big") + conn
    return hmac.digest(key, text + bytes([packet["level"], packet["flags"], *divmod(packet["keep_alive"], 256)]), "sha256")


def connect(packet, node, keys, server, blocked):
    """CONNACK code of 3.1.1; `node` = {"table", "floor", "max"}."""
    user, given = decoded(packet["user_name"]), decoded(packet["password"])
    client = packet["client_id"]
    if user is None or given is None or len(given) != 52 or len(client) != 32 or set(client) - set("0123456789abcdef"):
        return 4
    fields = read_ticket(user, keys, server)
    if fields is None or packet["now"] >= fields["expiry"]:
        return 11
    if fields["devid"].decode() != client:
        return 5
    conn, number = given[:20], int.from_bytes(given[:4], "big")
    if proof(fields, server, conn, packet) != given[20:]:
        return 4
    for name, held in list(node["table"].items()):
        if packet["now"] * 1000 >= held[0] - held[0] % 1000 + 86400000:
            del node["table"][name]
    entry = node["table"].get(client)
    if entry is None:
        fresh = fields["issued"] > node["floor"] and number > 0
    elif entry[:2] == (fields["issued"], fields["epoch"]):
        fresh = number > entry[2]
    else:
        fresh = fields["issued"] > entry[0]
    if not fresh:
        return 11
    if client in blocked:
        return 5
    if "will_topic" in packet and not will_opens(fields, conn, packet):
        return 5
    node["table"][client] = (fields["issued"], fields["epoch"], number)
    if len(node["table"]) > node["max"]:
        last = min(node["table"].items(), key=lambda item: item[1][0])[0]
        node["floor"] = max(node["floor"], node["table"].pop(last)[0])
    return 0


def will_opens(fields, conn, packet):
    topic = packet["will_topic"].encode()
    if not topic.startswith(b"/iot/" + fields["serial"] + b"/"):
        return False
    chain = Chain(fields["das_secret"], "up", fields["epoch"].to_bytes(4, "big") + conn, None)
    payload = bytes.fromhex(packet["will_payload"])
    return payload[:10] == b"\x10" + bytes(9) and chain.open(0, topic, payload) is not None


def connects(book, rows):
    for row in rows:
        node, session = {"table": {}, "floor": 0, "max": row["table_max"]}, row["session"]
        keys = {k["key_id"]: bytes.fromhex(k["key"]) for k in session["ticket_keys"]}
        for number, packet in enumerate(row["steps"]):
            if "notice" in packet:
                node["table"][packet["devid"]] = (packet["issued"], packet["epoch"], 0)
                continue
            told = connect(packet, node, keys, session["server_id"].encode(), row["blocked"])
            book.same("connect %s, step %d" % (row["name"], number), told, packet["connack"])


class Chain:
    """The keys of one direction of one connection; without a nonce of the Das those of will and greeting."""

    def __init__(self, das_secret, direction, connection, das_nonce):
        self.hello = out(das_secret, b"osap-h1 das " + direction.encode() + b"\0" + connection, 32)
        self.secrets = [self.hello if das_nonce is None else out(self.hello, b"osap-h1 das live" + b"\0" + das_nonce, 32)]

    def of(self, phase):
        while len(self.secrets) <= phase:
            self.secrets.append(out(self.secrets[-1], b"osap-h1 das update", 32))
        secret = self.secrets[phase]
        return secret, out(secret, b"osap-h1 das key", 16), out(secret, b"osap-h1 das iv", 12)

    def open(self, phase, topic, payload):
        _, key, iv = self.of(phase)
        extra = b"\0".join((b"osap-h1 pub", topic, payload[:10]))
        return opened(key, xored(iv, int.from_bytes(payload[2:10], "big")), payload[10:], extra)


def readable(plain):
    if plain is None or len(plain) < 2 or len(plain) - 2 < int.from_bytes(plain[:2], "big"):
        return False
    try:
        general = json.loads(plain[2:2 + int.from_bytes(plain[:2], "big")])
    except ValueError:
        return False
    return isinstance(general, dict) and all(type(general.get(m)) is int for m in ("Seq", "Ts"))


def chain_of(row):
    das_nonce = bytes.fromhex(row["das_nonce"]) if "das_nonce" in row else None
    return Chain(bytes.fromhex(row["das_secret"]), row["direction"], bytes.fromhex(row["connection"]), das_nonce)


def receiver(row):
    """What the page says of each step, with what was seen of every phase instead of a current one."""
    chain = chain_of(row)
    phase, bad, until, seen = 0, 0, {}, {0: {0} if row["direction"] == "down" else set()}
    for step in row["steps"]:
        payload, topic, told = bytes.fromhex(step["payload"]), step["topic"].encode(), "bad"
        if len(payload) >= 28 and payload[0] == 16 and payload[1] < 255 and int.from_bytes(payload[2:10], "big") < 1 << 24:
            told, of, ctr = None, payload[1], int.from_bytes(payload[2:10], "big")
            if of not in (phase - 1, phase, phase + 1):
                told = "bad"
            elif of == phase - 1 and step["now"] > until[of]:
                told = "old"
            else:
                marks = seen.get(of, set())
                if ctr in marks or (marks and ctr <= max(marks) - 1024):
                    told = "old"
                else:
                    plain = chain.open(of, topic, payload)
                    if plain is not None:
                        seen[of] = marks | {ctr}
                        if of > phase:
                            until[phase], phase = step["now"] + 60, of
                    told = "deliver" if readable(plain) else "bad"
        if told == "bad":
            bad += 1
            told = "closed" if bad == 3 else "bad"
        yield told


def greeting(book, name, row):
    payload = bytes.fromhex(row["payload"])
    chain = Chain(bytes.fromhex(row["das_secret"]), "down", bytes.fromhex(row["connection"]), payload[:16])
    rest = payload[16:]
    plain = chain.open(0, row["topic"].encode(), rest) if len(rest) >= 28 and rest[:10] == b"\x10" + bytes(9) else None
    book.same(name, readable(plain), row["accept"])
    if "plain" in row:
        book.same(name + " plain", plain, row["plain"])


def envelopes(book, rows):
    for row in rows:
        name = "envelope " + row["name"]
        if row["kind"] == "order":
            for number, told in enumerate(receiver(row)):
                book.same("%s, step %d" % (name, number), told, row["steps"][number]["told"])
            continue
        if row["kind"] == "greeting":
            greeting(book, name, row)
            continue
        chain = chain_of(row)
        if row["kind"] == "keys":
            book.same(name + " hello", chain.hello, row["hello"])
            for link in row["chain"]:
                for part, value in zip(("secret", "key", "iv"), chain.of(link["phase"])):
                    book.same("%s %d %s" % (name, link["phase"], part), value, link[part])
        elif row["kind"] == "seal":
            payload = bytes.fromhex(row["payload"])
            book.same(name, chain.open(row["phase"], row["topic"].encode(), payload), row["plain"])
            book.same(name + " head", payload[:10], "10%02x%016x" % (row["phase"], row["ctr"]))
        else:
            payload = bytes.fromhex(row["payload"])
            good = payload[:10] == b"\x10" + bytes(9) and readable(chain.open(0, row["topic"].encode(), payload))
            book.same(name, good, row["accept"])


def compat(book, rows):
    salt = b"www.88075998.com"
    for row in rows:
        if row["kind"] == "share-key":
            text = hashlib.md5((row["code"] + row["serial"]).encode()).hexdigest()
            first = (text.upper() if row["upper"] else text).encode()
            second = hashlib.md5(first + salt).hexdigest().upper().encode()
            third = hashlib.md5(second).hexdigest().upper().encode()
            dk = hashlib.pbkdf2_hmac("sha256", third, salt, 3)
            key = dk.hex().upper()[10:42].encode()
            for part, value in (("h1", first), ("h2", second), ("h3", third), ("dk", dk), ("share_key", key), ("aes_key", key[:16])):
                book.same("compat %s %s" % (row["name"], part), value, row[part])
        elif row["kind"] == "master-key":
            private = ec.derive_private_key(int(row["server_scalar"], 16), ec.SECP384R1())
            z = private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), bytes.fromhex(row["device_point"])))
            master = hashlib.md5(z).hexdigest()[:16].upper().encode()
            sign = hmac.digest(master, hashlib.sha384(row["serial"].encode()).digest(), "sha384")
            for part, value in (("z", z), ("master_key", master), ("sign", sign)):
                book.same("compat " + part, value, row[part])
        elif row["kind"] == "listener":
            request, answer = bytes.fromhex(row["request"]), bytes.fromhex(row["answer"])
            mask = int.from_bytes(request[6:22], "big") ^ int.from_bytes(answer[24:40], "big")
            book.same("compat " + row["name"], (mask ^ int.from_bytes(answer[73:89], "big")).to_bytes(16, "big"), row["session_key"])


def verify(book, files, runs):
    records(book, files["records.json"]["vectors"], runs)
    tickets(book, files["das_ticket.json"]["vectors"])
    connects(book, files["connect.json"]["vectors"])
    envelopes(book, files["envelope.json"]["vectors"])
    compat(book, files["compat.json"]["vectors"])
