"""envelope.json: sealed payloads one by one, and what a receiver makes of them in order."""

import labels
from refusal import Refusal, outcome
from vectors import accepted, file_octets, judged

from . import envelope, world
from .v_das import EPOCH, das_secret
from .v_handshake import flipped

ABOUT = ("kind keys: the chain of secrets of a direction. kind seal: 'payload' from the fields. kind order: 'steps' at one "
         "receiver: topic, payload, 'now' in seconds, and 'told': deliver, old, bad, or closed (the third bad one). "
         "docs/osap-secure.md 13.")
UP = b"/iot/E00000042/global/0-global/model/attribute/report/Demo/Power"
DOWN = b"/iot/E00000042/global/0-global/model/attribute/set/Demo/Power"
OTHER = b"/iot/E00000042/global/0-global/model/attribute/report/Demo/Light"
GREETING = b"/iot/E00000042/global/0-global/basic/session/greeting"
WILL = b"/iot/E00000042/global/0-global/basic/session/offline"
CONN_NONCE = labels.octets("osap/conn-nonce/a", 16)
LAST = envelope.CTR_END - 1


def connection(conn_no=1, nonce=CONN_NONCE):
    return EPOCH.to_bytes(4, "big") + conn_no.to_bytes(4, "big") + nonce


def secret(direction, where=None):
    return envelope.first_secret(das_secret(), direction, where or connection())


def plain(number=1, application=b'{"data":{"Value":true}}'):
    return envelope.plaintext(b'{"Seq":%d,"Ts":1795307861000}' % number, application)


def sealed(ctr, phase=0, direction="up", topic=None, text=None, where=None):
    topic = topic or (UP if direction == "up" else DOWN)
    return envelope.seal_one(secret(direction, where), phase, ctr, topic, plain(ctr or 1) if text is None else text)


def build():
    return {"envelope.json": file_octets(ABOUT, keys() + singles() + orders())}


def keys():
    rows = []
    for direction in ("up", "down"):
        for name, where in (("first connection", connection()), ("second connection", connection(2, labels.octets("osap/conn-nonce/b", 16)))):
            chain, current = [], secret(direction, where)
            for phase in range(3):
                key, iv = envelope.keys(current)
                chain.append({"phase": phase, "secret": current, "key": key, "iv": iv})
                current = envelope.next_secret(current)
            last = envelope.secret_of(secret(direction, where), 254)
            key, iv = envelope.keys(last)
            chain.append({"phase": 254, "secret": last, "key": key, "iv": iv})
            rows.append(accepted("keys: %s, %s" % (direction, name), kind="keys", das_secret=das_secret(), direction=direction,
                                 connection=where, chain=chain))
    return rows


def singles():
    rows = []
    for name, direction, phase, ctr, topic, text in (
            ("up, first message", "up", 0, 1, UP, plain()), ("up, 2", "up", 0, 2, UP, plain(2)), ("up, last counter", "up", 0, LAST, UP, plain()),
            ("down, first message", "down", 0, 1, DOWN, plain()), ("up, phase 1", "up", 1, 0, UP, plain()),
            ("down, phase 254", "down", 254, LAST, DOWN, plain()), ("empty application", "up", 0, 3, UP, plain(3, b"")),
            ("topic not ASCII", "up", 0, 4, "/iot/E00000042/global/0-global/model/event/report/Tür/öffnet".encode(), plain(4)),
            ("will", "up", 0, 0, WILL, plain(0, b'{"offline":true}')),
            ("greeting", "down", 0, 0, GREETING, plain(0, b'{"Epoch":%d,"ConnNo":1}' % EPOCH))):
        payload = envelope.seal_one(secret(direction), phase, ctr, topic, text)
        rows.append(accepted("seal: " + name, kind="seal", das_secret=das_secret(), connection=connection(), direction=direction,
                             phase=phase, ctr=ctr, topic=topic.decode(), plain=text, payload=payload))
    will = envelope.seal_one(secret("up"), 0, 0, WILL, plain(0, b""))
    for name, topic, payload, expected in (
            ("will opened", WILL, will, None), ("will under another topic", OTHER, will, "bad"), ("will of counter 1", WILL, sealed(1, topic=WILL), "bad"),
            ("will of phase 1", WILL, sealed(0, 1, topic=WILL), "bad"), ("will flipped", WILL, flipped(will, 12), "bad"),
            ("will of the connection before", WILL, sealed(0, topic=WILL, where=connection(2)), "bad")):
        found = outcome(envelope.open_will, secret("up"), topic, payload)
        rows.append(judged(name, expected, found, kind="will", das_secret=das_secret(), connection=connection(), topic=topic.decode(), payload=payload))
    return rows


class Order:
    def __init__(self, rows, name, direction="up", greeting=False):
        self.rows, self.name, self.direction, self.greeting = rows, name, direction, greeting
        self.receiver, self.steps = envelope.Receiver(secret(direction), greeting), []

    def says(self, told, payload, topic=None, now=0):
        topic = topic or (UP if self.direction == "up" else DOWN)
        try:
            self.receiver.receive(topic, payload, now)
            found = "deliver"
        except Refusal as refusal:
            found = refusal.code
        assert found == told, (self.name, len(self.steps), told, found)
        self.steps.append({"topic": topic.decode(), "payload": payload, "now": now, "told": told})
        return self

    def end(self):
        last = self.steps[-1]["told"]
        fields = {"kind": "order", "das_secret": das_secret(), "connection": connection(), "direction": self.direction,
                  "takes_greeting": self.greeting, "steps": self.steps}
        self.rows.append(judged("order: " + self.name, None if last == "deliver" else last, (last == "deliver", last), **fields))


def orders():
    rows = []

    def order(name, direction="up", greeting=False):
        return Order(rows, name, direction, greeting)
    order("in order").says("deliver", sealed(1)).says("deliver", sealed(2)).says("deliver", sealed(3)).end()
    order("replayed").says("deliver", sealed(1)).says("old", sealed(1)).end()
    order("replayed, and then the next").says("deliver", sealed(1)).says("old", sealed(1)).says("deliver", sealed(2)).end()
    order("a gap filled late").says("deliver", sealed(1)).says("deliver", sealed(3)).says("deliver", sealed(2)).says("old", sealed(2)).end()
    order("window, lower edge in").says("deliver", sealed(1024)).says("deliver", sealed(1)).says("old", sealed(1)).end()
    order("window, lower edge out").says("deliver", sealed(1025)).says("old", sealed(1)).end()
    order("window, far leap").says("deliver", sealed(1)).says("deliver", sealed(LAST)).says("old", sealed(2)).end()
    order("window, edge after a leap").says("deliver", sealed(LAST)).says("deliver", sealed(LAST - 1023)).says("old", sealed(LAST - 1024)).end()
    over = sealed(1)[:2] + envelope.CTR_END.to_bytes(8, "big") + sealed(1)[10:]
    honest = sealed(envelope.CTR_END)
    order("counter 2^24").says("bad", honest).end()
    order("counter 2^24, forged head").says("bad", over).end()
    order("counter 0 is the will's").says("old", sealed(0)).says("deliver", sealed(1)).end()
    order("greeting once", "down", True).says("deliver", sealed(0, 0, "down", GREETING), GREETING).says(
        "old", sealed(0, 0, "down", GREETING), GREETING).says("deliver", sealed(1, 0, "down")).end()
    order("greeting forged", "down", True).says("bad", sealed(0, 0, "up", GREETING), GREETING).end()
    order("greeting of the connection before", "down", True).says(
        "bad", sealed(0, 0, "down", GREETING, where=connection(2)), GREETING).end()
    order("wrong topic").says("bad", sealed(1), OTHER).says("deliver", sealed(1)).end()
    order("topic with a level more").says("bad", sealed(1), UP + b"/x").end()
    order("up sent back down", "down").says("bad", sealed(1)).end()
    order("captured on another connection").says("bad", sealed(1, where=connection(2))).end()
    order("sealed anew on the next connection").says("deliver", sealed(5)).end()
    order("third bad one closes").says("bad", flipped(sealed(1), 12)).says("bad", flipped(sealed(1), 30)).says("closed", sealed(1)[:27]).end()
    for name, payload in (("ciphertext flipped", flipped(sealed(1), 12)), ("tag flipped", flipped(sealed(1), len(sealed(1)) - 1)),
                          ("counter changed", sealed(1)[:9] + b"\x02" + sealed(1)[10:]), ("version 11", b"\x11" + sealed(1)[1:]),
                          ("phase byte changed to 1", sealed(1)[:1] + b"\x01" + sealed(1)[2:]), ("27 octets", sealed(1)[:27]),
                          ("empty", b""), ("plaintext of compat in clear", plain()), ("general longer than the rest", sealed(1, text=b"\x00\xff{}")),
                          ("general not JSON", sealed(1, text=envelope.plaintext(b"Seq", b"{}"))),
                          ("general without Ts", sealed(1, text=envelope.plaintext(b'{"Seq":1}', b"{}"))),
                          ("general with a Seq of 1.5", sealed(1, text=envelope.plaintext(b'{"Seq":1.5,"Ts":1}', b"{}")))):
        order(name).says("bad", payload).end()
    phases(order)
    return rows


def phases(order):
    order("phase change").says("deliver", sealed(1)).says("deliver", sealed(0, 1)).says("deliver", sealed(1, 1)).end()
    order("old phase within 60 s").says("deliver", sealed(1)).says("deliver", sealed(0, 1), now=100).says(
        "deliver", sealed(2), now=160).says("old", sealed(1), now=160).end()
    order("old phase after 60 s").says("deliver", sealed(1)).says("deliver", sealed(0, 1), now=100).says("old", sealed(2), now=161).end()
    order("replayed in the new phase").says("deliver", sealed(0, 1)).says("old", sealed(0, 1)).end()
    order("own window per phase").says("deliver", sealed(5000)).says("deliver", sealed(0, 1)).says("deliver", sealed(4999)).end()
    order("phase skipped").says("bad", sealed(0, 2)).end()
    order("two phases back").says("deliver", sealed(0, 1)).says("deliver", sealed(0, 2)).says("bad", sealed(1)).end()
    order("next phase forged").says("bad", flipped(sealed(0, 1), 12)).says("deliver", sealed(1)).says("deliver", sealed(0, 1)).end()
    order("phase under the old key").says("bad", _relabelled()).end()
    order("phase 255").says("bad", sealed(0, 255)).end()
    walk = order("phases to 3")
    for phase in range(4):
        walk.says("deliver", sealed(1, phase))
    walk.end()


def _relabelled():
    """Phase 1 in the head and in the additional data, but the key of phase 0."""
    from .words import nonce, seal
    head = b"\x10\x01" + bytes(8)
    key, iv = envelope.keys(secret("up"))
    return head + seal(key, nonce(iv, 0), plain(), envelope.extra(UP, head))
