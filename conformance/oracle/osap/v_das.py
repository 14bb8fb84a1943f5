"""records.json, das_ticket.json, connect.json: what follows a handshake, up to the session at the Das."""

import functools
import json

import labels
from refusal import Refusal, outcome
from vectors import accepted, file_octets, judged

from . import das, envelope, h1, world
from .v_handshake import DEVID, case, flipped
from .words import text

RECORDS = ("Records under the keys of 'run' (handshake.json). seal: 'bytes' of byte0, seq, 'plain'; open: what a receiver "
           "that expects 'expects' (byte0) and 'seq' says to 'bytes'. docs/osap-secure.md 7.")
TICKETS = ("'bytes' and 'user_name' (base64url) of a Das ticket sealed with 'salt' for 'server_id'; 'ticket_keys' are the "
           "keys that the reading Das has. docs/osap-secure.md 12.")
CONNECTS = ("CONNECT at a Das: 'steps' in order at one Das, each with its fields and 'connack' (MQTT 3.1.1), 'reason' "
            "(5.0); a step with 'notice' is the Lbs' word that a newer ticket is out. 'session' holds what ticket and keys are made of. docs/osap-secure.md 12.")
SERVER, OTHER_SERVER = b"das-0001", b"das-0002"
KEY_ID, KEY = labels.octets("osap/ticket-key-id", 8), labels.octets("osap/ticket-key", 32)
OLD_ID, OLD_KEY = labels.octets("osap/ticket-key-id/old", 8), labels.octets("osap/ticket-key/old", 32)
ISSUED, EXPIRY = 1795307861000, 1795307861 + 80000
NOW = 1795307861 + 10
EPOCH = int.from_bytes(labels.octets("osap/epoch", 4), "big")
GENERAL = b'{"Seq":0,"Ts":1795307861000}'
WILL_TOPIC = b"/iot/E00000042/global/0-global/basic/session/offline"


def build():
    return {"records.json": file_octets(RECORDS, records()), "das_ticket.json": file_octets(TICKETS, tickets()),
            "connect.json": file_octets(CONNECTS, connects())}


@functools.lru_cache(maxsize=None)
def das_secret():
    return case("kind 2, factory key").keys["das"]


def answer_b(ticket):
    members = {"Type": "DAS", "DasInfo": {"Address": "127.0.0.1", "Port": 8883, "UdpPort": 0, "Domain": "das.example",
                                          "ServerID": SERVER.decode()},
               "SrvGroup": [2, 4, 8], "Epoch": EPOCH, "TimeMs": ISSUED, "Tls": True,
               "TlsKey": text(labels.octets("osap/das-tls-key-hash", 32)).decode(), "DasTicket": ticket.decode(),
               "DasExpiry": EXPIRY}
    return json.dumps(members, separators=(",", ":")).encode()


def records():
    run = case("kind 2, factory key")
    ticket_id = labels.octets("osap/next-ticket-id", 16)
    ask = b'{"DevSerial":"E00000042","Type":"DAS","Mode":0}'
    told = b"\x00" + answer_b(text(sealed()))
    rows = []
    for name, byte0, seq, plain in (
            ("72: the device asks", 0x72, 0, b""), ("82: devid and ticket", 0x82, 0, b"\x00" + DEVID + ticket_id + (2592000).to_bytes(4, "big")),
            ("92: stored", 0x92, 1, b""), ("A2: which Das", 0xA2, 2, ask), ("B2: this one", 0xB2, 1, told),
            ("82: blocked", 0x82, 0, b"\x1a"), ("B2: no Das", 0xB2, 1, b"\x09"), ("B2: lost the race for a ticket", 0xB2, 1, b"\x19"),
            ("seq 2^32, device", 0xA2, 2**32, ask), ("seq 2^32, Lbs", 0xB2, 2**32, b"\x09"),
            ("seq 2^64 - 1", 0xA2, 2**64 - 1, b"")):
        raw = h1.seal_record(run.keys, byte0, seq, plain)
        assert h1.open_record(run.keys, raw, byte0, seq) == plain
        rows.append(accepted(name, kind="seal", run=run.name, byte0=bytes([byte0]), seq=str(seq), plain=plain, bytes=raw))
    first, second = h1.seal_record(run.keys, 0x72, 0, b""), h1.seal_record(run.keys, 0x92, 1, b"")
    eighth = h1.seal_record(run.keys, 0x82, 0, b"\x00" + DEVID + ticket_id + (2592000).to_bytes(4, "big"))
    other = case("kind 3")
    for name, raw, byte0, seq, expected in (
            ("the right one", second, 0x92, 1, None), ("repeated", first, 0x72, 1, "closed"), ("skipped", second, 0x92, 0, "closed"),
            ("92 where 72 has to come", second, 0x72, 0, "closed"), ("byte0 changed to 92", b"\x92" + first[1:], 0x92, 0, "closed"),
            ("own record reflected", h1.seal_record(run.keys, 0x72, 0, b""), 0x82, 0, "closed"),
            ("device record as Lbs record", b"\x82" + first[1:], 0x82, 0, "closed"),
            ("seq changed", first[:12] + b"\x01" + first[13:], 0x72, 1, "closed"), ("tag flipped", flipped(first, len(first) - 1), 0x72, 0, "closed"),
            ("ciphertext flipped", flipped(eighth, 20), 0x82, 0, "closed"), ("version changed", flipped(first, 2), 0x72, 0, "closed"),
            ("length changed, octet more", bytes([first[0], first[1] + 1]) + first[2:] + b"\x00", 0x72, 0, "closed"),
            ("tag cut", bytes([first[0], first[1] - 1]) + first[2:-1], 0x72, 0, "closed"),
            ("under the keys of another run", h1.seal_record(other.keys, 0x72, 0, b""), 0x72, 0, "closed"),
            ("42 under good keys", h1.seal_record({**run.keys, "lbs s2d key": run.keys["lbs d2s key"], "lbs s2d iv": run.keys["lbs d2s iv"]}, 0x42, 0, b""), 0x72, 0, "closed")):
        found = outcome(h1.open_record, run.keys, raw, byte0, seq)
        rows.append(judged("open: " + name, expected, found, kind="open", run=run.name, expects=bytes([byte0]), seq=str(seq), bytes=raw))
    return rows


def plain_ticket(devid=DEVID, serial=world.METER, protocol=2, epoch=EPOCH, issued=ISSUED, expiry=EXPIRY, server=SERVER):
    return das.ticket_plaintext(devid, serial, protocol, das_secret(), epoch, issued, expiry, server)


def sealed(plain=None, key_id=KEY_ID, key=KEY, server=SERVER, salt="osap/ticket-salt"):
    return das.seal_ticket(key_id, key, labels.octets(salt, 16), plain_ticket() if plain is None else plain, server)


def tickets():
    rows = []
    known = {KEY_ID: KEY}
    good = sealed()

    def row(name, octets, expected=None, keys=known, server=SERVER, **more):
        found = outcome(das.open_ticket, octets, keys, server)
        fields = {"opened": found[1]} if found[0] else {}
        rows.append(judged(name, expected, found, bytes=octets, user_name=text(octets).decode(), reader=server.decode(),
                           ticket_keys=[{"key_id": i, "key": k} for i, k in keys.items()], **more, **fields))
    salt = labels.octets("osap/ticket-salt", 16)
    row("a ticket", good, salt=salt, plain=plain_ticket(), server_id=SERVER.decode())
    row("longest serial and ServerID", sealed(plain_ticket(serial=b"S" * 71, server=b"d" * 63), server=b"d" * 63), server=b"d" * 63,
        salt=salt, plain=plain_ticket(serial=b"S" * 71, server=b"d" * 63), server_id="d" * 63)
    row("under the key before", sealed(key_id=OLD_ID, key=OLD_KEY), keys={KEY_ID: KEY, OLD_ID: OLD_KEY}, salt=salt,
        plain=plain_ticket(), server_id=SERVER.decode())
    row("of a Das that started anew", sealed(key_id=OLD_ID, key=OLD_KEY), "session")
    row("of another Das, its own key", good, "session", {OLD_ID: OLD_KEY}, OTHER_SERVER)
    row("of another Das, same key", good, "session", known, OTHER_SERVER)
    row("sealed for another ServerID than it names", sealed(plain_ticket(server=OTHER_SERVER)), "session")
    row("forged: another key under a known id", sealed(key=OLD_KEY), "session")
    for name, place in (("version", 0), ("key id", 8), ("salt", 24), ("ciphertext", 60), ("tag", len(good) - 1)):
        row("flipped: " + name, flipped(good, place), "session")
    row("cut", good[:-1], "session")
    row("empty", b"", "session")
    for name, plain in (("spare octet inside", plain_ticket() + b"\x00"), ("cut inside", plain_ticket()[:-1]),
                        ("protocol 1", plain_ticket(protocol=1)), ("devid in capitals", plain_ticket(devid=DEVID.upper()))):
        row(name, sealed(plain), "session", plain=plain)
    return rows


class Packet(dict):
    """A CONNECT that an honest device would send; changes go on top."""

    def __init__(self, conn_no=1, nonce="a", epoch=EPOCH, ticket=None, will=False, **change):
        conn_nonce = labels.octets("osap/conn-nonce/" + nonce, 16)
        flags = change.pop("flags", 0xC6 if will else 0xC2)
        level, keep_alive = change.pop("level", 4), change.pop("keep_alive", 30)
        made = das.password(das_secret(), change.pop("mac_server", SERVER), change.pop("mac_serial", world.METER), epoch,
                            conn_no, conn_nonce, level, flags, keep_alive)
        super().__init__(client_id=DEVID, user_name=text(sealed() if ticket is None else ticket), password=made, level=level,
                         flags=flags, keep_alive=keep_alive, conn_no=conn_no, conn_nonce=conn_nonce)
        if will:
            secret = envelope.hello_secret(das_secret(), "up", epoch.to_bytes(4, "big") + conn_no.to_bytes(4, "big") + conn_nonce)
            plain = envelope.plaintext(GENERAL, b'{"offline":true}')
            self.update(will_topic=WILL_TOPIC, will_payload=envelope.seal_one(secret, 0, 0, WILL_TOPIC, plain))
        self.update(change)


def connects():
    rows = []
    session = {"devid": DEVID.decode(), "serial": world.METER.decode(), "das_secret": das_secret(), "server_id": SERVER.decode(),
               "ticket_keys": [{"key_id": KEY_ID, "key": KEY}]}

    def row(name, *steps, table_max=1000, blocked=()):
        node = das.Das(SERVER, {KEY_ID: KEY}, table_max)
        node.blocked.update(blocked)
        told = []
        for packet, expected, *now in steps:
            moment = now[0] if now else NOW
            if "notice" in packet:
                node.replaced(DEVID, packet["issued"], packet["epoch"])
                told.append({**packet, "devid": DEVID.decode(), "connack": None})
                continue
            try:
                fields, connection = node.connect(packet, moment)
                found, more = None, {"connection": connection, "epoch": fields["epoch"]}
            except Refusal as refusal:
                found, more = refusal.code, {}
            assert found == expected, (name, expected, found)
            connack, reason = das.CONNACK[found] if found else (0, 0)
            told.append({**packet, "client_id": packet["client_id"].decode(), "user_name": packet["user_name"].decode(),
                         "password": packet["password"].decode(), "now": moment, "connack": connack, "reason": reason, **more})
        for step in told:
            if "will_topic" in step:
                step["will_topic"] = step["will_topic"].decode()
        last = steps[-1][1]
        rows.append(judged(name, last, (last is None, last), table_max=table_max, blocked=[b.decode() for b in blocked], steps=told))
    newer = sealed(plain_ticket(epoch=EPOCH ^ 1, issued=ISSUED + 1), salt="osap/ticket-salt/newer")
    other = sealed(plain_ticket(devid=b"0" * 32, serial=b"E00000043", epoch=7, issued=ISSUED + 5), salt="osap/ticket-salt/other")

    def stranger(nonce="s", conn_no=1):
        return Packet(conn_no, nonce, 7, other, client_id=b"0" * 32, mac_serial=b"E00000043")
    row("first connection", (Packet(), None))
    row("with a will", (Packet(will=True), None))
    row("MQTT 5.0", (Packet(level=5), None))
    row("second connection", (Packet(), None), (Packet(2, "b"), None))
    row("conn_no may leap", (Packet(), None), (Packet(2**32 - 1, "b"), None))
    row("captured CONNECT replayed (H11)", (Packet(), None), (Packet(2, "b"), None), (Packet(), "session"))
    row("the last CONNECT replayed", (Packet(), None), (Packet(), "session"))
    row("lower conn_no with a right password", (Packet(5, "e"), None), (Packet(4, "d"), "session"))
    row("conn_no 0", (Packet(0, "z"), "session"))
    row("newer ticket of the same device", (Packet(9, "b"), None), (Packet(1, "c", EPOCH ^ 1, newer), None))
    row("ticket before the newest one", (Packet(1, "c", EPOCH ^ 1, newer), None), (Packet(), "session"))
    row("dropped from a full table, replayed", (Packet(), None), (stranger(), None), (Packet(), "session"), table_max=1)
    row("dropped from a full table, newer ticket than the floor",
        (Packet(), None), (stranger(), None), (Packet(1, "c", EPOCH ^ 1, newer), None), table_max=1)
    notice = {"notice": True, "issued": ISSUED + 1, "epoch": EPOCH ^ 1}
    row("newer ticket given out, old one refused", (Packet(), None), (notice, None), (Packet(2, "b"), "session"))
    row("newer ticket given out, here", (Packet(), None), (notice, None), (Packet(1, "c", EPOCH ^ 1, newer), None))
    short = sealed(plain_ticket(epoch=EPOCH ^ 1, issued=ISSUED + 1, expiry=ISSUED // 1000 + 72000), salt="osap/ticket-salt/short")
    row("older ticket outlives the newest one", (Packet(1, "c", EPOCH ^ 1, short), None), (Packet(), "session", EXPIRY - 1))
    row("at expiry", (Packet(), "session", EXPIRY))
    row("a second before expiry", (Packet(), None, EXPIRY - 1))
    row("ticket of another ServerID", (Packet(ticket=sealed(plain_ticket(server=OTHER_SERVER), server=OTHER_SERVER)), "session"))
    row("ticket of a Das that started anew (H11)", (Packet(ticket=sealed(key_id=OLD_ID, key=OLD_KEY)), "session"))
    row("password for another Das", (Packet(mac_server=OTHER_SERVER), "password"))
    row("password for another serial", (Packet(mac_serial=world.CAMERA), "password"))
    row("password for another epoch", (Packet(1, "a", EPOCH ^ 1, sealed()), "password"))
    row("flags changed on the way", (_changed(Packet(will=True), flags=0xC2), "password"))
    row("will taken out on the way", (_without_will(Packet(will=True)), "password"))
    row("keep alive changed on the way", (_changed(Packet(), keep_alive=65535), "password"))
    row("level changed on the way", (_changed(Packet(), level=5), "password"))
    row("will altered", (_changed(Packet(will=True), will_payload=bytes(40)), "not-authorized"))
    row("will moved to another topic", (_changed(Packet(will=True), will_topic=WILL_TOPIC + b"2"), "not-authorized"))
    row("will for another serial", (_changed(Packet(will=True), will_topic=b"/iot/T12345678/global/0-global/basic/session/offline"), "not-authorized"))
    row("client id of another device", (Packet(client_id=b"1" * 32), "not-authorized"))
    row("client id empty", (Packet(client_id=b""), "password"))
    row("client id in capitals", (Packet(client_id=DEVID.upper()), "password"))
    row("password test", (Packet(password=b"test"), "password"))
    row("password of 51 octets", (Packet(password=text(bytes(51))), "password"))
    row("password padded", (_changed(Packet(), password=Packet()["password"] + b"=="), "password"))
    row("user name is the serial", (Packet(user_name=world.METER), "password"))
    row("guessed password changes nothing", (Packet(7, "g", password=text(bytes([0, 0, 0, 7]) + bytes(48))), "password"), (Packet(), None))
    row("blocked device", (Packet(), "not-authorized"), blocked=(DEVID,))
    for entry in rows:
        entry["session"] = session
    return rows


def _changed(packet, **change):
    packet.update(change)
    return packet


def _without_will(packet):
    packet.update(flags=0xC2)
    del packet["will_topic"], packet["will_payload"]
    return packet
