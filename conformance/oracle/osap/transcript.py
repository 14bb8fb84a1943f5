"""Reads the recorded dialogues of type 1, decodes every message, and makes it again octet by octet."""

import os

import ecc
from refusal import Refusal

from . import compat
from .words import frame, unframe

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "recorded.txt")
CODES = {b"T12345678": b"QWERTY", b"TESTPRODUCTKEY00000001:DEVNAME00001": b"TestLicense00000000001"}
LIMIT = 16384


def dialogues():
    """[(title, [(word, ...) lines])] in the order recorded."""
    found = []
    with open(SOURCE, encoding="ascii") as source:
        for line in source:
            if line.startswith("# "):
                found.append((line[2:].strip(), []))
            elif not line.startswith(";"):
                found[-1][1].append(tuple(line.strip().split(" ", 4 if line.startswith("msg") else 2)))
    return found


class Replay:
    """One pass over all dialogues; keys come from the messages where they can, from `key` lines where not."""

    def __init__(self):
        self.masters, self.sessions, self.privates = [], [], []

    def run(self):
        """[(name, fields)] with `bytes`, `message`, `fields`; an assertion fails where octets differ."""
        for title, lines in dialogues():
            number = title.split(".")[0] if not title.startswith("8") else title.split(" ")[0]
            self._keys(lines)
            self.scalar = self.point = self.master = self.session = None
            count = 0
            for line in lines:
                if line[0] == "msg":
                    count += 1
                    raw = bytes.fromhex(line[4])
                    made, fields = self._message(line[1], line[2], raw)
                    assert made == raw, (title, line[:4], made.hex(), raw.hex())
                    yield "%s/%03d %s" % (number, count, line[3]), {
                        "dialogue": title, "connection": line[1], "from": "device" if line[2] == "D>S" else "server",
                        "bytes": raw, **fields}

    def _keys(self, lines):
        for line in lines:
            if line[0] == "key" and line[1] == "master_key" and bytes.fromhex(line[2]) not in self.masters:
                self.masters.append(bytes.fromhex(line[2]))
            if line[0] == "key" and line[1] == "session_key" and bytes.fromhex(line[2]) not in self.sessions:
                self.sessions.append(bytes.fromhex(line[2]))
        self.privates = [int(line[2], 16) for line in lines if line[0] == "key" and line[1] == "dev_priv"]
        self.lbs_privates = [int(line[2], 16) for line in lines if line[0] == "key" and line[1] == "lbs_priv"]

    def _message(self, connection, way, raw):
        if connection.startswith("das"):
            return self._mqtt(raw)
        byte0, _, body = unframe(raw, LIMIT)
        return getattr(self, "_%x" % (byte0 >> 4))(byte0, body)

    def _1(self, byte0, body):
        count = body[1]
        group, rest = list(body[2:2 + count]), body[2 + count:]
        mode, length = rest[3], rest[4]
        self.serial, sealed = rest[5:5 + length], rest[5 + length:]
        for upper in (True, False):
            keys = compat.share_key(CODES[self.serial], self.serial, upper)
            try:
                self.point = compat.unseal(keys["aes_key"], sealed)
            except Refusal:
                continue
            self.aes_key = keys["aes_key"]
            fields = {"type": body[0], "group": group, "mode": mode, "serial": self.serial.decode(),
                      "share_key_upper": upper, "aes_key": self.aes_key, "point": self.point}
            owners = [d for d in self.privates if ecc.PrivateKey(ecc.P384, d).point == self.point]
            if owners:
                self.scalar = owners[0]
                fields["scalar"] = owners[0].to_bytes(48, "big")
            return compat.auth_i(self.serial, self.aes_key, self.point, group, mode), {"message": "auth-i", "fields": fields}
        raise AssertionError("no share key opens AUTH_I")

    def _2(self, byte0, body):
        if len(body) < 100:
            place = 1 if len(body) == 5 else 2 + body[1]
            fields = {"type": body[0], "group": list(body[2:place]), "result": body[-1]}
            return compat.failure(byte0, body[-1], body[:place]), {"message": "auth-ii", "fields": fields}
        point = compat.unseal(self.aes_key, body[5:])
        z = compat.exchange(self.scalar, point)
        assert any(compat.exchange(d, self.point) == z for d in self.lbs_privates)
        self.master = compat.master_key(z)
        assert self.master in self.masters
        fields = {"type": body[0], "result": 0, "point": point, "z": z, "master_key": self.master}
        return compat.auth_ii(self.aes_key, point), {"message": "auth-ii", "fields": fields}

    def _4(self, byte0, body):
        assert body[36:] == compat.proof(self.master, self.serial)
        return (compat.refresh_request(body[4:36], body[36:]),
                {"message": "refresh-request", "fields": {"devid": body[4:36], "sign": body[36:]}})

    def _answer(self, byte0, body, message):
        devid = compat.unseal(self.master, body[4:20] + body[21:53])
        self.session = compat.unseal(self.master, body[53:69] + body[70:86])
        sign = compat.proof(self.master, self.serial)
        fields = {"devid": devid, "session_key": self.session, "sign": sign}
        return compat.session_answer(byte0, self.master, devid, self.session, sign), {"message": message, "fields": fields}

    def _6(self, byte0, body):
        return self._answer(byte0, body, "refresh-answer")

    def _7(self, byte0, body):
        if byte0 & 2:
            assert body[3:] == compat.proof(self.master, self.serial)
            return compat.apply_request(body[3:]), {"message": "apply-request", "fields": {"sign": body[3:]}}
        length = body[3]
        self.serial, devid = body[4:4 + length], body[5 + length:37 + length]
        self.master, random = self._first(self.masters, body[37 + length:], 1)
        fields = {"serial": self.serial.decode(), "devid": devid, "random_1": random, "master_key": self.master}
        return compat.refresh_i(self.serial, devid, self.master, random), {"message": "refresh-i", "fields": fields}

    def _8(self, byte0, body):
        if byte0 & 2:
            return self._answer(byte0, body, "apply-answer")
        if body[3]:
            return compat.failure(byte0, body[3]), {"message": "refresh-ii", "fields": {"result": body[3]}}
        plain = compat.uncbc(self.master, body[4:])
        self.session = plain[2:]
        fields = {"result": 0, "random_1": plain[:1], "random_2": plain[1:2], "session_key": self.session}
        return (compat.refresh_ii(self.master, plain[:1], plain[1:2], self.session),
                {"message": "refresh-ii", "fields": fields})

    def _9(self, byte0, body):
        random = compat.uncbc(self.master, body[3:])
        return compat.refresh_iii(self.master, random), {"message": "refresh-iii", "fields": {"random_2": random}}

    def _a(self, byte0, body):
        plain = compat.uncbc(self.session, body[3:])
        return compat.ask(self.session, plain), {"message": "ask", "fields": {"json": plain.decode(), "session_key": self.session}}

    def _b(self, byte0, body):
        plain = compat.uncbc(self.session, body[4:])
        return compat.told(self.session, plain), {"message": "told", "fields": {"json": plain.decode(), "session_key": self.session}}

    @staticmethod
    def _first(keys, data, count=None):
        for key in keys:
            try:
                plain = compat.uncbc(key, data)
            except Refusal:
                continue
            if count in (None, len(plain)):
                return key, plain
        raise AssertionError("no recorded key opens it")

    def _mqtt(self, raw):
        byte0, _, body = unframe(raw, LIMIT)
        kind = byte0 >> 4
        if kind == 1:
            return self._connect(byte0, body)
        if kind == 3:
            return self._publish(byte0, body)
        names = {2: "connack", 8: "subscribe", 9: "suback", 10: "unsubscribe", 11: "unsuback", 12: "pingreq", 13: "pingresp",
                 14: "disconnect"}
        return frame(byte0, body), {"message": names[kind], "fields": {"body": body}}

    def _connect(self, byte0, body):
        strings, place = [], 10
        while place < len(body):
            length = int.from_bytes(body[place:place + 2], "big")
            strings.append(body[place + 2:place + 2 + length])
            place += 2 + length
        client, topic, will, user, password = strings
        key, plain = self._first(reversed(self.sessions), will)
        self.das_key = key
        fields = {"level": body[6], "flags": body[7], "keep_alive": int.from_bytes(body[8:10], "big"), "client_id": client.decode(),
                  "will_topic": topic.rstrip(b"\x00").decode(), "will_topic_length": len(topic), "will": plain.decode(),
                  "user_name": user.decode(), "password": password.decode(), "session_key": key}
        made = [client, topic.rstrip(b"\x00").ljust(len(topic), b"\x00"), compat.cbc(key, plain), user, password]
        octets = body[:10] + b"".join(len(part).to_bytes(2, "big") + part for part in made)
        return frame(byte0, octets), {"message": "connect", "fields": fields}

    def _publish(self, byte0, body):
        length = int.from_bytes(body[:2], "big")
        topic, rest = body[2:2 + length], body[2 + length:]
        packet_id, rest = (rest[:2], rest[2:]) if byte0 & 6 else (b"", rest)
        plain = compat.uncbc(self.das_key, rest)
        count = int.from_bytes(plain[:2], "big")
        general, application = plain[2:2 + count], plain[2 + count:]
        fields = {"qos": byte0 >> 1 & 3, "retain": byte0 & 1, "topic": topic.decode(), "general": general.decode(),
                  "application": application.decode(), "session_key": self.das_key}
        made = len(general).to_bytes(2, "big") + general + application
        octets = body[:2 + length] + packet_id + compat.cbc(self.das_key, made)
        return frame(byte0, octets), {"message": "publish", "fields": fields}
