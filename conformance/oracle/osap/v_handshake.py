"""handshake.json: whole runs of all kinds. attacks.json: what each side refuses of them."""

from refusal import outcome
from vectors import accepted, file_octets, refused

from . import curve, h1, parties, world
from .words import RESULTS, frame, varint
from .world import CAMERA, LOCK, METER, RADAR, REALM, UNKNOWN, chance, scalar

ABOUT = ("Runs of types 2, 4, 8. 'inputs' is what a side holds or draws; everything else follows from it. Numbers x, y, "
         "w0, w1 are 32 octets. docs/osap-secure.md 3 to 6.")
ATTACKS = ("Octets that have to be refused. side device: 'h1_ii' after the run's own H1-I; it closes and changes nothing "
           "stored. side lbs: 'h1_iii' after its H1-II, or 'h1_i'; 'answer' is what it sends before it closes. 'run' "
           "names the run of handshake.json whose inputs hold; 'change' says what differs.")
DEVID = b"f90b95df36a181d7658b5dcf8e7a176e"


def octets32(number):
    return number.to_bytes(32, "big")


class Case:
    """One run with its chance, from a label."""

    def __init__(self, name, device, kdf=0, protocol=2, group=(2,), mode=0, code=world.CODE, **lbs):
        self.name, self.device, self.protocol, self.group, self.kdf, self.mode, self.code = (
            name, device, protocol, list(group), kdf, mode, code)
        self.lbs = world.lbs(exporter=device.exporter, **lbs)
        self.x, self.y = scalar(name + "/x"), scalar(name + "/y")
        self.random_d, self.random_s = chance(name + "/random d"), chance(name + "/random s")
        self.raw_i = device.first(protocol, self.group, kdf, self.x, self.random_d, mode)
        self.raw_ii, self.run = self.lbs.answer(self.raw_i, self.y, self.random_s)

    def complete(self):
        self.raw_iii = self.device.second(self.raw_ii)
        self.keys = self.lbs.finish(self.run, self.raw_iii)
        assert self.keys == self.device.keys
        return self

    def inputs(self):
        device = self.device
        found = {"protocol": self.protocol, "group": self.group, "server_group": list(self.lbs.group), "mode": self.mode,
                 "serial": device.serial.decode(), "kind": device.kind, "kdf": self.kdf, "exporter": device.exporter,
                 "x": octets32(self.x), "y": octets32(self.y), "random_d": self.random_d, "random_s": self.random_s}
        if device.kind == 1:
            found.update(realm=device.realm.decode(), code=self.code.decode())
        elif device.kind == 3:
            found.update(device_key=octets32(device.secret["key"].scalar), lbs_key=octets32(self.lbs.key.scalar))
        else:
            found["psk"] = device.secret["psk"]
        if device.kind == 4:
            found["ticket_id"] = device.secret["ticket_id"]
        return found

    def vector(self):
        run, device = self.run, self.device
        fields = {"inputs": self.inputs(), "h1_i": self.raw_i, "h1_ii": self.raw_ii, "h1_iii": self.raw_iii}
        if device.kind == 1:
            salt, stretched, w0, w1, point_l = world.registration(self.kdf, device.serial)
            fields.update(salt=salt, w0s_w1s=stretched, w0=octets32(w0), w1=octets32(w1), L=curve.encode(point_l))
        for name in ("TT", "Z", "V"):
            if name in run:
                fields[name] = run[name]
        schedule = run["schedule"]
        fields.update(T1=run["T1"], T2=run["T2"], K_main=run["K_main"], mac_s=schedule.mac_s, mac_d=schedule.mac_d)
        for label in ("confirm s", "confirm d"):
            fields[label] = h1.labelled(run["K_main"], label, run["T2"], 32)
        if device.kind == 3:
            fields.update(sig_s=run["sig_s"], sig_d=device.sig_d, lbs_spki=parties.spki(self.lbs.key.point),
                          device_spki=parties.spki(device.secret["key"].point))
        fields["T3"] = schedule.t3
        keys = dict(self.keys)
        if device.kind != 1:
            del keys["enrol"]
        return accepted(self.name, **fields, keys=keys)


def psk_device(serial, psk, kind=2, **other):
    return parties.Device(serial, kind, psk=psk, **other)


def key_device(key=world.DEVICE_KEY, pin=world.LBS_KEY, **other):
    return parties.Device(METER, 3, key=key, pin=parties.spki(pin.point), **other)


def ticket_device(**other):
    return psk_device(CAMERA, world.RESUME, 4, ticket_id=world.TICKET_ID, **other)


def tls(**other):
    return {"exporter": world.EXPORTER, **other}


CASES = {
    "kind 1, scrypt": lambda n: Case(n, world.code_device(), 1, group=(4, 2)),
    "kind 1, PBKDF2": lambda n: Case(n, world.code_device(LOCK, 2), 2, group=(2, 1)),
    "kind 2, licence": lambda n: Case(n, psk_device(RADAR, world.LICENCE), group=(8, 4, 2, 1), mode=1),
    "kind 2, factory key": lambda n: Case(n, psk_device(METER, world.FACTORY)),
    "kind 3": lambda n: Case(n, key_device()),
    "kind 4": lambda n: Case(n, ticket_device(), group=(2, 4)),
    "kind 2, group of the server 2 alone": lambda n: Case(n, psk_device(METER, world.FACTORY), group=(2, 4)),
    "kind 2, value unknown in the group": lambda n: Case(n, psk_device(METER, world.FACTORY), group=(2, 64)),
    "kind 1 in type 4": lambda n: Case(n, world.code_device(**tls()), 1, 4, (4, 2), connection="tls"),
    "kind 2 in type 4": lambda n: Case(n, psk_device(METER, world.FACTORY, **tls()), 0, 4, (4, 2), connection="tls"),
    "kind 3 in type 8": lambda n: Case(n, key_device(**tls()), 0, 8, (8, 4, 2), connection="mutual",
                                       certificate_serial=METER),
    "kind 4 in type 4": lambda n: Case(n, ticket_device(**tls()), 0, 4, (4, 2), connection="tls"),
}
EXTRA = {"kind 2, group of the server 2 alone": (2,)}


def case(name):
    made = CASES[name](name)
    if name in EXTRA:
        made.lbs.group = EXTRA[name]
        made.raw_ii, made.run = made.lbs.answer(made.raw_i, made.y, made.random_s)
    return made.complete()


def build():
    return {"handshake.json": file_octets(ABOUT, [case(name).vector() for name in CASES]),
            "attacks.json": file_octets(ATTACKS, Attacks().rows, world=the_world())}


def the_world():
    """What the Lbs of attacks.json and negotiation.json holds."""
    rows = []
    for serial, record in world.records().items():
        row = {"serial": serial.decode(), "allowed": sorted(record.allowed), "min_type": record.min_type}
        if record.w0:
            row.update(w0=octets32(record.w0), L=curve.encode(record.point_l), kdf=record.kdf)
        for name in ("psk", "device_point", "ticket"):
            if getattr(record, name):
                row[name] = getattr(record, name)
        rows.append(row)
    return {"server_secret": world.SECRET, "realm": REALM.decode(), "lbs_key": octets32(world.LBS_KEY.scalar), "now": 0,
            "fake_kdfs": list(parties.FAKE_KDFS), "records": rows}


def resized(raw, body):
    return frame(raw[0], body)


def body_of(raw):
    return raw[1 + len(varint(len(raw) - 2 if len(raw) < 130 else len(raw) - 3)):]


def flipped(octets, place):
    return octets[:place] + bytes([octets[place] ^ 1]) + octets[place + 1:]


def replaced(octets, place, new):
    return octets[:place] + new + octets[place + len(new):]


OFF_CURVE = flipped(curve.encode(curve.G), 64)
TOO_LARGE = b"\x04" + (curve.P + 5).to_bytes(32, "big") + curve.encode(curve.G)[33:]


class Attacks:
    def __init__(self):
        self.rows = []
        self.device_side()
        self.device_kind_3()
        self.server_side()
        self.codes()
        self.tickets()

    def device(self, name, run, raw_ii, change, device=None, reason="closed"):
        good, value = outcome((device or run.device).second, raw_ii)
        assert not good and value == reason, (name, good, value)
        self.rows.append(refused(name, reason, side="device", run=run.name, change=change, h1_ii=raw_ii))

    def lbs(self, name, run, raw_iii, change, expected="not-proven", **fields):
        good, value = outcome(run.lbs.finish, run.run, raw_iii)
        assert not good and value == expected, (name, good, value)
        if run.name not in CASES:
            fields.setdefault("inputs", run.inputs())
        self.rows.append(refused(name, expected, side="lbs", run=run.name, change=change, h1_iii=raw_iii,
                                 answer=h1.h1_v(RESULTS[expected]), **fields))

    def first(self, name, run, raw_i, change, lbs, expected, **fields):
        answer, found = lbs.answer(raw_i, run.y, run.random_s)
        assert found is None and answer[2 + 5 + 3] == RESULTS[expected], name
        self.rows.append(refused(name, expected, side="lbs", run=run.name, change=change, h1_i=raw_i, answer=answer,
                                 **fields))

    def device_side(self):
        run, other = case("kind 2, factory key"), case("kind 2, licence")
        raw = run.raw_ii
        head = len(raw) - len(body_of(raw))
        share = head + 5 + 3 + 1 + 1 + 32
        tail = raw[share + 65:]

        def with_share(point):
            return resized(raw, raw[head:share] + point + tail)
        for name, octets, change in (
                ("flipped group octet", flipped(raw, head + 3), "one group value of H1-II"),
                ("group entry taken out", resized(raw, b"\x02\x02\x02\x04" + raw[head + 5:]), "SrvGroup without 8"),
                ("type swapped in H1-II", replaced(raw, head, b"\x04"), "type 4 for an asked 2"),
                ("random_s flipped", flipped(raw, head + 12), "random_s"),
                ("mac_s flipped", flipped(raw, len(raw) - 1), "mac_s"),
                ("mac_s cut", resized(raw, raw[head:-1]), "mac_s of 31 octets"),
                ("spare octet behind H1-II", resized(raw, raw[head:] + b"\x00"), "one octet more"),
                ("varint not shortest", raw[:1] + bytes([raw[1], raw[2] | 0x80, 0]) + raw[head:], "varint of 3 octets"),
                ("truncated share_s", with_share(curve.encode(curve.G)[:64]), "share of 64 octets"),
                ("share_s is infinity", with_share(bytes(65)), "65 zero octets"),
                ("share_s off the curve", with_share(OFF_CURVE), "y of G with its lowest bit flipped"),
                ("share_s coordinate not below p", with_share(TOO_LARGE), "x = p + 5"),
                ("share_s compressed in 65 octets", with_share(b"\x02" + curve.encode(curve.G)[1:]), "first octet 02"),
                ("reflected share", with_share(run.device.share_d), "share_s = share_d"),
                ("H1-II of another run", other.raw_ii, "a genuine H1-II replayed"),
                ("suite 2 in H1-II", replaced(raw, head + 9, b"\x02"), "suite"),
                ("reflected H1-I", run.raw_i, "the device's own message")):
            self.device(name, run, octets, change)
        forged = parties.Lbs({METER: parties.Record(METER, {2}, psk=bytes(32))}, bytes(32), REALM, world.LBS_KEY)
        forged_ii, _ = forged.answer(run.raw_i, scalar("forger"), chance("forger"))
        self.device("forged Lbs without the key", run, forged_ii, "an Lbs with another pre-shared key")
        for result, name in ((1, "not proven"), (25, "ticket"), (26, "blocked in clear")):
            self.device("hint: " + name, run, h1.refusal(2, (2, 4, 8), result), "a result that nothing proves",
                        reason="result-%d" % result)
        moved = case("kind 2 in type 4")
        there = parties.Device(METER, 2, exporter=world.OTHER_EXPORTER, psk=world.FACTORY)
        there.first(4, moved.group, 0, moved.x, moved.random_d)
        self.device("H1-II moved to another TLS session", moved, moved.raw_ii,
                    "the device's exporter is " + world.OTHER_EXPORTER.hex(), there)

    def device_kind_3(self):
        run = case("kind 3")
        relay = world.lbs(key=world.OTHER_KEY)
        at_e, found = relay.answer(run.raw_i, run.y, run.random_s)
        self.device("another server's key and signature", run, at_e, "an honest Lbs whose key is not pinned")
        signed = parties.raw_signature(world.OTHER_KEY, h1.server_signed(run.run["T2"]))
        self.device("signature replaced by a relay (M16)", run, run.raw_ii[:-64] + signed,
                    "sig_s by another trusted server over the same transcript")
        signed = parties.raw_signature(world.LBS_KEY, h1.server_signed(found["T2"]))
        self.device("signature over another transcript", run, run.raw_ii[:-64] + signed, "sig_s")
        self.device("signature of zeros", run, run.raw_ii[:-64] + bytes(64), "r = s = 0")
        self.device("signature left out", run, resized(run.raw_ii, body_of(run.raw_ii)[:-66]), "kind 3 without sig_s")

    def server_side(self):
        run, other = case("kind 2, factory key"), case("kind 2, value unknown in the group")
        raw = run.raw_iii
        for name, octets, change, reason in (
                ("mac_d flipped", flipped(raw, len(raw) - 1), "mac_d", "not-proven"),
                ("reflected mac", h1.h1_iii(run.run["schedule"].mac_s), "mac_s sent back as mac_d", "not-proven"),
                ("replayed H1-III", other.raw_iii, "H1-III of another run of the same device", "not-proven"),
                ("H1-III of 31 octets", frame(0x32, body_of(raw)[:-1]), "mac_d cut", "malformed"),
                ("H1-III with a spare octet", frame(0x32, body_of(raw) + b"\x00"), "one octet more", "malformed"),
                ("record before H1-III", frame(0x72, bytes(27)), "72 where 32 has to come", "order"),
                ("H1-I twice", run.raw_i, "the first message again", "order"),
                ("42 is nothing here", frame(0x42, body_of(raw)), "42 where 32 has to come", "order")):
            self.lbs(name, run, octets, change, reason)
        wide = Case("kind 2, group of two", psk_device(METER, world.FACTORY), group=(2, 8)).complete()
        changed = resized(wide.raw_i, b"\x02\x01\x02" + body_of(wide.raw_i)[4:])
        wide.raw_ii, wide.run = wide.lbs.answer(changed, wide.y, wide.random_s)
        self.rows.append(accepted("honest twin of the next vector", side="lbs", run="kind 2, factory key", h1_i=wide.raw_i,
                                  h1_iii=wide.raw_iii, change="group 2, 8 as sent"))
        self.lbs("group stripped on the way to the Lbs", wide, wide.raw_iii, "H1-I arrived with group 2 alone",
                 h1_i=changed, h1_ii=wide.raw_ii)
        self.device("group stripped on the way, seen by the device", wide, wide.raw_ii, "as before, H1-II delivered")
        meter = case("kind 3")
        stolen = h1.device_signed(meter.run["T2"])
        self.lbs("signature by another device's key", meter,
                 h1.h1_iii(meter.run["schedule"].mac_d, parties.raw_signature(world.STOLEN_KEY, stolen)), "sig_d")
        self.lbs("signature of the Lbs reflected", meter, h1.h1_iii(meter.run["schedule"].mac_d, meter.run["sig_s"]), "sig_d")
        thief = Case("kind 3, key not on record", key_device(world.STOLEN_KEY))
        self.lbs("kind 3 with a key that is not on record", thief, thief.device.second(thief.raw_ii), "key_id and sig_d",
                 h1_i=thief.raw_i, h1_ii=thief.raw_ii)
        clone = Case("type 8, certificate of another device", key_device(**tls()), 0, 8, (8, 4), connection="mutual",
                     certificate_serial=CAMERA)
        self.lbs("type 8 with a certificate of another serial", clone, clone.device.second(clone.raw_ii),
                 "the client certificate", certificate_serial=CAMERA.decode(), h1_i=clone.raw_i, h1_ii=clone.raw_ii)
        self.first("share_d seen before", run, run.raw_i, "H1-I replayed", world.lbs(seen=[run.device.share_d]),
                   "bad-point")

    def codes(self):
        run = case("kind 1, scrypt")

        def guessed(name, made, change, expected="not-proven"):
            self.lbs(name, made, careless(made), change, expected, h1_i=made.raw_i, h1_ii=made.raw_ii)
        _, _, w0, w1, _ = world.registration(1, CAMERA, code=b"H7KQ2MWX4TRB")
        wrong = Case("wrong code", parties.Device(CAMERA, 1, REALM, w0=w0, w1=w1), 1, code=b"H7KQ2MWX4TRB")
        guessed("code guessed wrong", wrong, "code H7KQ2MWX4TRB")
        self.device("code guessed wrong, device side", wrong, wrong.raw_ii, "the guesser sees that mac_s differs: one try")
        _, _, w0, w1, _ = world.registration(1, CAMERA, realm=b"other.example")
        foreign = Case("record of another realm", parties.Device(CAMERA, 1, b"other.example", w0=w0, w1=w1), 1)
        guessed("record of another realm", foreign, "w0 and w1 made with realm other.example")
        fake = parties.Fake(world.SECRET, UNKNOWN)
        _, _, w0, w1, _ = world.registration(1, CAMERA)
        unknown = Case("unknown serial, kind 1", parties.Device(UNKNOWN, 1, REALM, w0=w0, w1=w1), fake.kdf)
        guessed("unknown serial, kind 1", unknown, "no record: the fake one")
        for name, change in (("right code after enrolment", {"allowed": {2, 4}}), ("right code, code burned",
                             {"code_burned": True}), ("right code, min_type 4", {"min_type": 4})):
            again = Case(name, world.code_device(), 1, records=world.records(**change))
            self.lbs(name, again, careless(again), "the record", h1_i=again.raw_i, h1_ii=again.raw_ii,
                     record={k: sorted(v) if isinstance(v, set) else v for k, v in change.items()})
        open_again = Case("right code in the owner's window", world.code_device(), 1,
                          records=world.records(allowed={2, 4}, window=True)).complete()
        self.rows.append(accepted("right code in the owner's window", side="lbs", run=run.name, h1_i=open_again.raw_i,
                                  change="the record", record={"allowed": [2, 4], "window": True}, h1_ii=open_again.raw_ii,
                                  h1_iii=open_again.raw_iii, inputs=open_again.inputs()))
        self._infinity(run)
        for name, serial, kind in (("unknown serial, kind 2", UNKNOWN, 2), ("unknown serial, kind 3", UNKNOWN, 3)):
            device = parties.Device(serial, kind, psk=bytes(32), key=world.STOLEN_KEY, pin=parties.spki(world.LBS_KEY.point))
            made = Case(name, device)
            self.lbs(name, made, careless(made), "no record: the fake one", h1_i=made.raw_i, h1_ii=made.raw_ii)
        wrong_kdf = Case("kdf of the record is another", world.code_device(CAMERA, 1), 2)
        self.first("kdf of the record is another", run, wrong_kdf.raw_i, "kdf 2 for a record of kdf 1", world.lbs(), "kdf")
        made_up = parties.Device(UNKNOWN, 1, REALM, w0=w0, w1=w1)
        raw_i = made_up.first(2, [2], 3 - fake.kdf, run.x, run.random_d)
        self.first("kdf of the fake record is another", run, raw_i, "unknown serial: the same kind of answer", world.lbs(), "kdf")
        device = world.code_device()
        raw_i = device.first(2, [2], 1, run.x, run.random_d)
        self.rows.append(refused("kind 1 too often", "later", side="lbs", run=run.name, h1_i=raw_i,
                                 change="third try of the pair: 1 s to wait", answer=h1.refusal(2, (2, 4, 8), 24, b"\x00\x01")))

    def _infinity(self, run):
        _, _, w0, _, _ = world.registration(1, CAMERA)
        point = curve.encode(curve.multiply(w0, parties.spake2plus.M))
        raw_i = h1.h1_i(2, [2], CAMERA, 1, 1, run.random_d, point)
        lbs = world.lbs()
        raw_ii, found = lbs.answer(raw_i, run.y, run.random_s)
        assert found and "Z" not in found
        self.rows.append(accepted("share_d = w0 M: answered like any other", side="lbs", run=run.name, h1_i=raw_i,
                                  change="Z is infinity; K_main is random, mac_s too", h1_ii_prefix=raw_ii[:-32]))

    def tickets(self):
        run = case("kind 4")
        for name, raw_i, change, lbs in (
                ("unknown ticket", _with_ticket(run, bytes(16)), "ticket_id of zeros", world.lbs()),
                ("ticket of a serial that is unknown", _with_ticket(run, world.TICKET_ID, UNKNOWN), "serial", world.lbs()),
                ("ticket of another serial", _with_ticket(run, world.TICKET_ID, METER), "serial", world.lbs()),
                ("ticket reused", run.raw_i, "after record 92 of a run that used it",
                 world.lbs(records=world.records(ticket={"id": bytes([1] * 16), "secret": bytes(32), "end": 1000}))),
                ("ticket ended", run.raw_i, "now is 1000", world.lbs(records=world.records(now=1000)))):
            self.first(name, run, raw_i, change, lbs, "ticket", now=lbs.records[CAMERA].now,
                       ticket=lbs.records[CAMERA].ticket)
        guess = Case("ticket id without its secret", psk_device(CAMERA, bytes(32), 4, ticket_id=world.TICKET_ID))
        self.lbs("ticket id seen by a stranger", guess, careless(guess), "psk of zeros; the ticket is not spent",
                 h1_i=guess.raw_i, h1_ii=guess.raw_ii)


def _with_ticket(run, ticket_id, serial=CAMERA):
    return h1.h1_i(2, [2], serial, 4, 0, run.random_d, run.device.share_d, ticket_id)


def careless(made):
    """The H1-III of somebody who does not look at mac_s."""
    return made.device.second(made.raw_ii, is_careless=True)
