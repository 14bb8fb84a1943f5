"""negotiation.json: what an H1-I is answered by its header, its fields and its connection alone; first octets."""

from refusal import Refusal, outcome
from vectors import accepted, file_octets, refused
from vectors import judged as verdict

from . import curve, h1, policy, world
from .v_handshake import OFF_CURVE, TOO_LARGE, body_of
from .words import RESULTS, frame

ABOUT = ("'asked' and 'group' of the device, 'server_group' of the port, 'connection' plain, tls or mutual: 'answer' or, "
         "accepted, a run. With 'h1_i' alone: fields. reason closed: no answer at all. kind first: the first octet of a "
         "connection. docs/osap-secure.md 2, 3, 10.")
NAMES = {number: name for name, number in RESULTS.items()}


def build():
    return {"negotiation.json": file_octets(ABOUT, table() + fields() + first_octets() + floor())}


def message(asked, group, kind=2, kdf=0, suite=1, mode=0, serial=world.METER, share=None, extra=b""):
    share = curve.encode(curve.multiply(world.scalar("negotiation/x"), curve.G)) if share is None else share
    return h1.h1_i(asked, group, serial, kind, kdf, world.chance("negotiation/random d"), share, extra, suite, mode)


def judged(name, raw, server_group=(2, 4, 8), connection="plain", expected=None, **more):
    lbs = world.lbs(connection=connection, group=server_group, certificate_serial=world.METER)
    given = {"h1_i": raw, "server_group": list(server_group), "connection": connection, **more}
    try:
        answer, run = lbs.answer(raw, world.scalar("negotiation/y"), world.chance("negotiation/random s"))
    except Refusal as refusal:
        assert expected == refusal.code == "closed", (name, expected, refusal.code)
        return refused(name, "closed", **given)
    if run:
        assert expected is None, (name, expected)
        return accepted(name, **given)
    place = 2 + body_of(answer)[1] + 3
    found = NAMES[body_of(answer)[place]]
    assert found == expected, (name, expected, found)
    return refused(name, found, answer=answer, **given)


def table():
    rows = []
    every = (1, 2, 4, 8)
    cases = [
        (1, every, (2, 4, 8), "plain", "rematch"), (1, every, (2,), "plain", "rematch"),
        (1, (1,), (2, 4, 8), "plain", "no-common-type"), (2, every, (2, 4, 8), "plain", None),
        (2, (2,), (2, 4, 8), "plain", None), (2, (2,), (2,), "plain", None), (4, every, (2, 4, 8), "plain", "rematch"),
        (8, every, (2, 4, 8), "plain", "rematch"), (8, every, (2,), "plain", "rematch"), (8, (8,), (2,), "plain", "no-common-type"),
        (4, (4,), (2,), "plain", "no-common-type"), (16, (16, 2), (2, 4, 8), "plain", "rematch"),
        (16, (16,), (2, 4, 8), "plain", "no-common-type"), (4, every, (2, 4, 8), "tls", None),
        (2, every, (2, 4, 8), "tls", "rematch"), (2, (2,), (2, 4, 8), "tls", "rematch"), (8, every, (2, 4, 8), "tls", "rematch"),
        (8, every, (2, 4, 8), "mutual", None), (4, every, (2, 4, 8), "mutual", None), (2, every, (2, 4, 8), "mutual", "rematch"),
        (4, (4, 2), (2, 4), "tls", None), (8, (8, 4), (2, 4), "mutual", "rematch")]
    for asked, group, server, connection, expected in cases:
        name = "asked %d of %s, server %s, %s" % (asked, list(group), list(server), connection)
        rows.append(judged(name, message(asked, group), server, connection, expected, asked=asked, group=list(group)))
    return rows


def fields():
    good = message(2, (2,))
    body = body_of(good)
    share = curve.encode(curve.G)

    def cut(count):
        return frame(0x1A, body[:-count])
    rows = [judged(name, raw, expected=expected) for name, raw, expected in (
        ("count 0", frame(0x1A, b"\x02\x00" + body[3:]), "malformed"),
        ("count 15", frame(0x1A, b"\x02\x0f" + bytes(range(2, 17)) + body[3:]), "malformed"),
        ("count 14", frame(0x1A, b"\x02\x0e" + bytes(range(2, 16)) + body[3:]), None),
        ("zero in the group", message(2, (2, 0)), "malformed"), ("value twice", message(2, (2, 4, 2)), "malformed"),
        ("asked type not in the group", message(2, (4,)), "malformed"), ("asked type 0", message(0, (0, 2)), "malformed"),
        ("version 01 01 00", frame(0x1A, body[:3] + b"\x01\x01\x00" + body[6:]), "malformed"),
        ("version 02 10 00", frame(0x1A, body[:3] + b"\x02\x10\x00" + body[6:]), "malformed"),
        ("version 01 10 01", frame(0x1A, body[:3] + b"\x01\x10\x01" + body[6:]), "malformed"),
        ("mode 2", message(2, (2,), mode=2), "malformed"), ("serial empty", message(2, (2,), serial=b""), "malformed"),
        ("serial of 71 octets", message(2, (2,), serial=b"S" * 71), None),
        ("serial of 72 octets", message(2, (2,), serial=b"S" * 72), "malformed"),
        ("serial with a space", message(2, (2,), serial=b"T 1"), "malformed"),
        ("serial with a wildcard", message(2, (2,), serial=b"T#"), "malformed"),
        ("serial with a quote", message(2, (2,), serial=b'T"'), "malformed"),
        ("serial with a level", message(2, (2,), serial=b"T/1"), "malformed"),
        ("serial not ASCII", message(2, (2,), serial=b"T\xc3\xa4"), "malformed"),
        ("suite 0", message(2, (2,), suite=0), "suite"), ("suite 2", message(2, (2,), suite=2), "suite"),
        ("kind 0", message(2, (2,), 0), "malformed"), ("kind 5", message(2, (2,), 5), "malformed"),
        ("kdf 1 for kind 2", message(2, (2,), 2, 1), "kdf"), ("kdf 0 for kind 1", message(2, (2,), 1, 0), "kdf"),
        ("kdf 3 for kind 1", message(2, (2,), 1, 3), "kdf"), ("truncated share", cut(1), "malformed"),
        ("no share", cut(65), "malformed"), ("header only", frame(0x1A, body[:3]), "malformed"),
        ("spare octet", frame(0x1A, body + b"\x00"), "malformed"), ("kind 3 without key id", message(2, (2,), 3), "malformed"),
        ("kind 4 without ticket id", message(2, (2,), 4), "malformed"),
        ("kind 2 with a ticket id", message(2, (2,), extra=bytes(16)), "malformed"),
        ("share is infinity", message(2, (2,), share=bytes(65)), "bad-point"),
        ("share off the curve", message(2, (2,), share=OFF_CURVE), "bad-point"),
        ("share coordinate not below p", message(2, (2,), share=TOO_LARGE), "bad-point"),
        ("share compressed", message(2, (2,), share=b"\x03" + share[1:]), "bad-point"),
        ("suite before kdf before share", message(2, (2,), 1, 9, 2, share=bytes(65)), "suite"),
        ("kdf before share", message(2, (2,), 1, 9, share=bytes(65)), "kdf"),
        ("fields of a type that is not run are not read", frame(0x1A, b"\x01\x02\x01\x02" + b"\xff" * 9), "rematch"),
        ("flags 2 instead of A", frame(0x12, body), "closed"), ("H1-II as first message", frame(0x2A, body), "closed"),
        ("varint of five octets", b"\x1a\x80\x80\x80\x80\x01" + body, "closed"),
        ("varint longer than needed", b"\x1a" + bytes([good[1] | 0x80, 0]) + body, "closed"),
        ("body of 257 octets", frame(0x1A, body + bytes(257 - len(body))), "closed"),
        ("body of 256 octets", frame(0x1A, body + bytes(256 - len(body))), "malformed"),
        ("message cut", good[:-1], "closed"), ("one octet", b"\x1a", "closed"))]
    return rows


def first_octets():
    rows = []
    for octet, name in ((0x16, "tls"), (0x1A, "h1"), (0x12, "compat"), (0x70, "compat")):
        rows.append(accepted("first octet %02x" % octet, kind="first", octet=bytes([octet]), taken_as=name))
    for octet in (0x00, 0x10, 0x11, 0x15, 0x17, 0x2A, 0x32, 0x47, 0x72, 0x80, 0xA0, 0xFF):
        rows.append(refused("first octet %02x" % octet, "closed", kind="first", octet=bytes([octet])))
    return rows


def floor():
    """Device decisions: what an answer or the last message of type 1 makes of it (sections 3 and 9)."""
    def choice(name, result, expected, **given):
        return verdict(name, expected, result, kind="choice", **given)
    rows = []
    for name, asked, group, min_type, told, result, then in (
            ("rematch to a stronger type", 2, (2, 4), 2, 4, 20, 4), ("rematch to a weaker type above the floor", 8, (8, 4, 2), 2, 2, 20, 2),
            ("rematch below the floor", 8, (8, 4, 2), 4, 2, 20, None), ("rematch to type 1", 2, (2, 1), 2, 1, 20, None),
            ("rematch to type 1, floor set to 1 by hand", 2, (2, 1), 1, 1, 20, None), ("rematch to type 0", 2, (2,), 2, 0, 20, None),
            ("rematch to the asked type", 2, (2,), 2, 2, 20, None), ("rematch to a type not offered", 2, (2,), 2, 8, 20, None),
            ("no common type", 2, (2,), 2, 8, 21, None)):
        answer = h1.refusal(told, [told] if told not in (2, 4, 8) else (2, 4, 8), result)
        found = outcome(policy.follow, asked, group, min_type, answer)
        assert then is None or found == (True, then)
        rows.append(choice("device: " + name, found, None if then else "not-followed", asked=asked, group=list(group),
                           min_type=min_type, answer=answer, then=then))
    for name, ran, group, server, before, after in (
            ("type 8 in the authenticated group", 2, (2, 4, 8), (2, 4, 8), 2, 8), ("device cannot do more", 2, (2,), (2, 4, 8), 2, 2),
            ("already strongest", 8, (2, 4, 8), (2, 4, 8), 8, 8), ("server lost a type", 4, (4, 8), (2, 4), 4, 4)):
        assert policy.floor_after(ran, group, server, before) == after
        rows.append(choice("min_type after B: " + name, (True, after), None, ran=ran, group=list(group), srv_group=list(server),
                           min_type=before, min_type_after=after))
    for name, group, members, abort in (
            ("SrvGroup with 2", (1, 2), '"SrvGroup":[1,2,4,8],"DevGroup":[1,2]', True),
            ("SrvGroup stripped", (1, 2), '', False), ("DevGroup altered", (1, 2), '"SrvGroup":[1],"DevGroup":[1]', True),
            ("a device of type 1 alone", (1,), '"SrvGroup":[1,2,4,8],"DevGroup":[1]', False),
            ("a server of type 1 alone", (1, 2), '"SrvGroup":[1],"DevGroup":[1,2]', False)):
        told = ('{"Type":"DAS","DasInfo":{"Address":"127.0.0.1","Port":1883,"UdpPort":0,"Domain":"das.example",'
                '"ServerID":"das-1"}%s}' % ("," + members if members else "")).encode()
        found = outcome(policy.end_of_type_1, group, told)
        rows.append(choice("type 1 by hand: " + name, found, "downgrade" if abort else None, group=list(group), json=told,
                           stored="nothing", hold_hours=24 if abort else 0))
    for name, min_type, seen, hold, sends in (
            ("default", 2, False, False, False), ("floor 1 by hand", 1, False, False, True),
            ("floor 1, seen_h1", 1, True, False, False), ("floor 1, hold", 1, False, True, False)):
        found = outcome(policy.may_send_type_1, min_type, seen, hold)
        rows.append(choice("type 1 sent: " + name, found, None if sends else "downgrade", min_type=min_type, seen_h1=seen, hold=hold))
    return rows
