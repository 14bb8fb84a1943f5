"""envelope.json: sealed payloads one by one, and what a receiver makes of them in order."""

import labels
from refusal import Refusal, outcome
from vectors import accepted, file_octets, judged

from . import envelope
from .v_das import EPOCH, das_secret
from .v_handshake import flipped

ABOUT = ("kind keys: the chain of secrets of a direction. kind seal: 'payload' from the fields. kind will, greeting: at their receivers. kind order: 'steps' at one "
         "receiver: topic, payload, 'now' in seconds, and 'told': deliver, old, bad, or closed (the third bad one). "
         "docs/osap-secure.md 13.")
UP = b"/iot/E00000042/global/0-global/model/attribute/report/Demo/Power"
DOWN = b"/iot/E00000042/global/0-global/model/attribute/set/Demo/Power"
OTHER = b"/iot/E00000042/global/0-global/model/attribute/report/Demo/Light"
GREETING = b"/iot/E00000042/global/0-global/basic/session/greeting"
WILL = b"/iot/E00000042/global/0-global/basic/session/offline"
CONN_NONCE, DAS_NONCE = labels.octets("osap/conn-nonce/a", 16), labels.octets("osap/das-nonce", 16)
LAST = envelope.CTR_END - 1


def connection(conn_no=1, nonce=CONN_NONCE):
    return EPOCH.to_bytes(4, "big") + conn_no.to_bytes(4, "big") + nonce


def secret(direction, where=None, das_nonce=DAS_NONCE):
    return envelope.first_secret(das_secret(), direction, where or connection(), das_nonce)


def hello(direction, where=None):
    return envelope.hello_secret(das_secret(), direction, where or connection())


def plain(number=1, application=b'{"data":{"Value":true}}'):
    return envelope.plaintext(b'{"Seq":%d,"Ts":1795307861000}' % number, application)


def sealed(ctr, phase=0, direction="up", topic=None, text=None, where=None, das_nonce=DAS_NONCE):
    topic = topic or (UP if direction == "up" else DOWN)
    return envelope.seal_one(secret(direction, where, das_nonce), phase, ctr, topic, plain(ctr) if text is None else text)


def build():
    return {"envelope.json": file_octets(ABOUT, keys() + singles() + hellos() + orders())}


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
                                 connection=where, das_nonce=DAS_NONCE, hello=hello(direction, where), chain=chain))
    return rows


def singles():
    rows = []
    for name, direction, phase, ctr, topic, text in (
            ("up, first message", "up", 0, 0, UP, plain(0)), ("up, 1", "up", 0, 1, UP, plain()), ("up, last counter", "up", 0, LAST, UP, plain()),
            ("down, first message", "down", 0, 1, DOWN, plain()), ("up, phase 1", "up", 1, 0, UP, plain()),
            ("down, phase 254", "down", 254, LAST, DOWN, plain()), ("empty application", "up", 0, 3, UP, plain(3, b"")),
            ("topic not ASCII", "up", 0, 4, "/iot/E00000042/global/0-global/model/event/report/Tür/öffnet".encode(), plain(4))):
        payload = envelope.seal_one(secret(direction), phase, ctr, topic, text)
        rows.append(accepted("seal: " + name, kind="seal", das_secret=das_secret(), connection=connection(), das_nonce=DAS_NONCE,
                             direction=direction, phase=phase, ctr=ctr, topic=topic.decode(), plain=text, payload=payload))
    return rows


def greeting(where=None, das_nonce=DAS_NONCE):
    return envelope.greeting(das_secret(), where or connection(), das_nonce, GREETING, plain(0, b'{"Epoch":%d,"ConnNo":1}' % EPOCH))


def hellos():
    """The will, under the secret of the CONNECT; the greeting, with the nonce that it brings."""
    rows = []
    text = plain(0, b'{"offline":true}')

    def row(name, direction, topic, payload, expected=None):
        if direction == "up":
            found = outcome(envelope.open_will, hello("up"), topic, payload)
            more = {"plain": envelope.plaintext(*found[1])} if found[0] else {}
        else:
            found = outcome(envelope.open_greeting, das_secret(), connection(), topic, payload)
            more = {"das_nonce": found[1][0], "plain": envelope.plaintext(*found[1][1:])} if found[0] else {}
        kind = "will" if direction == "up" else "greeting"
        rows.append(judged("hello: " + name, expected, found, kind=kind, das_secret=das_secret(), connection=connection(),
                           direction=direction, topic=topic.decode(), payload=payload, **more))
    will = envelope.seal_one(hello("up"), 0, 0, WILL, text)
    row("will", "up", WILL, will)
    row("greeting", "down", GREETING, greeting())
    row("will under another topic", "up", OTHER, will, "bad")
    row("will of counter 1", "up", WILL, envelope.seal_one(hello("up"), 0, 1, WILL, text), "bad")
    row("will of phase 1", "up", WILL, envelope.seal_one(hello("up"), 1, 0, WILL, text), "bad")
    row("will flipped", "up", WILL, flipped(will, 12), "bad")
    row("will of the connection before", "up", WILL, envelope.seal_one(hello("up", connection(2)), 0, 0, WILL, text), "bad")
    row("will under the keys of messages", "up", WILL, sealed(0, topic=WILL), "bad")
    row("greeting forged", "down", GREETING, DAS_NONCE + envelope.seal_one(bytes(32), 0, 0, GREETING, plain(0)), "bad")
    row("greeting with another nonce", "down", GREETING, flipped(greeting(), 15), "bad")
    row("greeting without a nonce", "down", GREETING, greeting()[16:], "bad")
    row("greeting of counter 1", "down", GREETING, DAS_NONCE + sealed(1, 0, "down", GREETING), "bad")
    row("greeting under the secret of the CONNECT", "down", GREETING,
        DAS_NONCE + envelope.seal_one(hello("down"), 0, 0, GREETING, plain(0)), "bad")
    row("greeting of the connection before", "down", GREETING, greeting(connection(2)), "bad")
    row("greeting flipped", "down", GREETING, flipped(greeting(), 40), "bad")
    row("greeting under another topic", "down", DOWN, greeting(), "bad")
    return rows


class Order:
    def __init__(self, rows, name, direction="up"):
        self.rows, self.name, self.direction = rows, name, direction
        self.receiver, self.steps = envelope.Receiver(secret(direction), direction == "down"), []

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
        fields = {"kind": "order", "das_secret": das_secret(), "connection": connection(), "das_nonce": DAS_NONCE,
                  "direction": self.direction, "steps": self.steps}
        self.rows.append(judged("order: " + self.name, None if last == "deliver" else last, (last == "deliver", last), **fields))


def orders():
    rows = []

    def order(name, direction="up"):
        return Order(rows, name, direction)
    order("in order").says("deliver", sealed(0)).says("deliver", sealed(1)).says("deliver", sealed(2)).says("deliver", sealed(3)).end()
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
    order("will sent as a message").says("bad", envelope.seal_one(hello("up"), 0, 0, UP, plain(0))).end()
    order("greeting again", "down").says("bad", greeting(), GREETING).says("old", greeting()[16:], GREETING).says(
        "deliver", sealed(1, 0, "down")).end()
    order("whole connection replayed at a Das that forgot (H11)").says(
        "bad", sealed(0, das_nonce=bytes(16))).says("bad", sealed(1, das_nonce=bytes(16))).says("closed", sealed(2, das_nonce=bytes(16))).end()
    order("window, last of 1024").says("deliver", sealed(1023)).says("deliver", sealed(0)).says("old", sealed(0)).end()
    order("window, first of 1025").says("deliver", sealed(1024)).says("old", sealed(0)).end()
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
