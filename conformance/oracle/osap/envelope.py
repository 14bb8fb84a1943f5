"""Sealed PUBLISH payloads: keys, sender, receiver. docs/osap-secure.md section 13."""

import json

from refusal import Refusal, require

from .words import expand, nonce, seal, unseal

WINDOW, CTR_END, OVERLAP = 1024, 2**24, 60


def hello_secret(das_secret, direction, connection):
    """Of one CONNECT, and the key of its will; `connection` is epoch || conn_no || conn_nonce."""
    return expand(das_secret, b"osap-h1 das " + direction.encode() + b"\x00" + connection, 32)


def first_secret(das_secret, direction, connection, das_nonce):
    """Of phase 0; the greeting says `das_nonce`."""
    return expand(hello_secret(das_secret, direction, connection), b"osap-h1 das live\x00" + das_nonce, 32)


def next_secret(secret):
    return expand(secret, b"osap-h1 das update", 32)


def keys(secret):
    return expand(secret, b"osap-h1 das key", 16), expand(secret, b"osap-h1 das iv", 12)


def secret_of(secret, phase):
    for _ in range(phase):
        secret = next_secret(secret)
    return secret


def extra(topic, head):
    return b"osap-h1 pub\x00" + topic + b"\x00" + head


def plaintext(general, application):
    return len(general).to_bytes(2, "big") + general + application


def seal_one(secret, phase, ctr, topic, plain):
    """`secret` is that of phase 0."""
    head = b"\x10" + bytes([phase]) + ctr.to_bytes(8, "big")
    key, iv = keys(secret_of(secret, phase))
    return head + seal(key, nonce(iv, ctr), plain, extra(topic, head))


def split(plain):
    require(len(plain) >= 2, "bad")
    length = int.from_bytes(plain[:2], "big")
    require(len(plain) >= 2 + length, "bad")
    general, application = plain[2:2 + length], plain[2 + length:]
    try:
        members = json.loads(general)
        good = all(type(members[name]) is int and 0 <= members[name] < 2**64 for name in ("Seq", "Ts"))
    except (ValueError, TypeError, KeyError):
        good = False
    require(good, "bad")
    return general, application


def open_will(secret, topic, payload):
    """Phase 0, counter 0, under the secret of the CONNECT."""
    require(len(payload) >= 28 and payload[:10] == b"\x10\x00" + bytes(8), "bad")
    key, iv = keys(secret)
    return split(unseal(key, nonce(iv, 0), payload[10:], extra(topic, payload[:10]), "bad"))


def greeting(das_secret, connection, das_nonce, topic, plain):
    """The first message down: the nonce in clear, then an envelope that already needs it."""
    return das_nonce + seal_one(first_secret(das_secret, "down", connection, das_nonce), 0, 0, topic, plain)


def open_greeting(das_secret, connection, topic, payload):
    """(das_nonce, general, application)."""
    require(len(payload) >= 16 + 28 and payload[16:26] == b"\x10\x00" + bytes(8), "bad")
    key, iv = keys(first_secret(das_secret, "down", connection, payload[:16]))
    plain = unseal(key, nonce(iv, 0), payload[26:], extra(topic, payload[16:26]), "bad")
    return (payload[:16],) + split(plain)


class Window:
    def __init__(self, seen=()):
        self.highest, self.seen = max(seen, default=-1), set(seen)

    def takes(self, ctr):
        return ctr > self.highest or (self.highest - ctr < WINDOW and ctr not in self.seen)

    def mark(self, ctr):
        self.highest = max(self.highest, ctr)
        self.seen = {n for n in self.seen | {ctr} if self.highest - n < WINDOW}


class Receiver:
    """One direction, after the greeting, which was counter 0 of the way down."""

    def __init__(self, secret, is_down):
        self.phase, self.secret, self.window = 0, secret, Window((0,) if is_down else ())
        self.before = None
        self.bad_count = 0

    def receive(self, topic, payload, now):
        """(general, application); refusal `old` (acknowledged), `bad`, or `closed` for the third bad one."""
        try:
            return self._judge(topic, payload, now)
        except Refusal as refusal:
            if refusal.code == "bad":
                self.bad_count += 1
                if self.bad_count == 3:
                    raise Refusal("closed") from None
            raise

    def _judge(self, topic, payload, now):
        require(len(payload) >= 28 and payload[0] == 0x10, "bad")
        phase, ctr = payload[1], int.from_bytes(payload[2:10], "big")
        require(ctr < CTR_END and phase != 255, "bad")
        secret, window = self._of(phase, now)
        require(window.takes(ctr), "old")
        key, iv = keys(secret)
        plain = unseal(key, nonce(iv, ctr), payload[10:], extra(topic, payload[:10]), "bad")
        window.mark(ctr)
        if phase == self.phase + 1:
            self.before = (self.secret, self.window, now + OVERLAP)
            self.phase, self.secret, self.window = phase, secret, window
        return split(plain)

    def _of(self, phase, now):
        if phase == self.phase:
            return self.secret, self.window
        if phase == self.phase + 1:
            return next_secret(self.secret), Window()
        require(phase == self.phase - 1, "bad")
        require(self.before is not None and now <= self.before[2], "old")
        return self.before[0], self.before[1]
