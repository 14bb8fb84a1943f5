"""A device and an Lbs with fixed chance: both compute everything by themselves, from octets and what each may know."""

import ecc
from refusal import Refusal, require

from . import curve, h1, spake2plus
from .words import expand, mac, sha

STRENGTH = (1, 2, 4, 8)
SPKI_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
FAKE_KDFS = (1, 2)


def spki(point):
    return SPKI_HEAD + point


def raw_signature(key, message):
    r, s = key.sign(message)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def is_signed(point, message, signature):
    numbers = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    return ecc.verify(ecc.P256, point, message, *numbers)


def z_of(scalar, share):
    """Z of kinds 2 to 4: the x coordinate."""
    return curve.multiply(scalar, curve.decode(share))[0].to_bytes(32, "big")


class Fake:
    """The record of a serial that has none, or whose credential is not allowed (section 10)."""

    def __init__(self, secret, serial):
        def f(name):
            return mac(secret, b"osap-h1 fake\x00" + name)

        def number(key, label):
            return int.from_bytes(expand(key, label, 40), "big") % curve.N
        self.serial, self.key = serial, f(serial)
        self.w0 = number(self.key, b"osap-h1 fake w0")
        self.psk = expand(self.key, b"osap-h1 fake psk", 32)
        self.kdf = FAKE_KDFS[expand(self.key, b"osap-h1 fake kdf", 1)[0] % len(FAKE_KDFS)]
        shared = f(b"")
        self.point_l = curve.multiply(number(shared, b"osap-h1 fake w1"), curve.G)
        self.device_point = curve.encode(curve.multiply(number(shared, b"osap-h1 fake key"), curve.G))


class Record:
    """What the Lbs has of a device; absent credentials are None."""

    def __init__(self, serial, allowed, **fields):
        self.serial, self.allowed = serial, allowed
        self.w0 = self.point_l = self.kdf = self.psk = self.device_point = self.ticket = None
        self.min_type, self.code_burned, self.window, self.now = 2, False, False, 0
        self.__dict__.update(fields)

    def allows(self, kind, protocol):
        if protocol < self.min_type:
            return False
        if kind == 1:
            return self.w0 is not None and not self.code_burned and (1 in self.allowed or self.window)
        if kind == 4:
            return True
        return kind in self.allowed


class Lbs:
    """The server side of one run."""

    def __init__(self, records, secret, realm, key, group=(2, 4, 8), connection="plain", exporter=b"",
                 certificate_serial=None, seen=()):
        self.records, self.secret, self.realm, self.key = records, secret, realm, key
        self.group, self.connection, self.exporter = group, connection, exporter
        self.certificate_serial, self.seen = certificate_serial, set(seen)

    def runnable(self):
        kinds = {"plain": (1, 2), "tls": (4,), "mutual": (4, 8)}[self.connection]
        return [kind for kind in kinds if kind in self.group]

    def answer(self, raw_i, y, random_s):
        """(H1-II, None) when refused, (H1-II, run) when it goes on; refusal code `closed` means no answer."""
        protocol, group = None, list(self.group)
        try:
            protocol, offered, reader = h1.read_i(raw_i)
            if protocol not in self.runnable():
                common = [kind for kind in self.group if kind in offered]
                best, result = (common[-1], 20) if common else (self.group[-1], 21)
                return h1.refusal(best, group, result), None
            found = h1.read_payload(reader)
            require(found["share_d"] not in self.seen, "bad-point")
            return self._go_on(raw_i, protocol, found, y, random_s)
        except Refusal as refusal:
            if refusal.code == "closed":
                raise
            result, extra = _result(refusal)
            return h1.refusal(protocol if protocol is not None else group[-1], group, result, extra), None

    def _go_on(self, raw_i, protocol, found, y, random_s):
        serial, kind = found["serial"], found["kind"]
        fake, real = Fake(self.secret, serial), self.records.get(serial)
        if kind == 1:
            right = real.kdf if real is not None and real.kdf else fake.kdf
            require(found["kdf"] == right, "kdf:%02x" % right)
        psk = None
        if kind == 4:
            ticket = real.ticket if real is not None else None
            good = ticket and ticket["id"] == found["ticket_id"] and real.now < ticket["end"]
            require(good, "ticket")
            psk = ticket["secret"]
        allowed = real is not None and real.allows(kind, protocol)
        if protocol == 8 and self.certificate_serial != serial:
            allowed = False
        chosen = real if allowed else fake
        return self._second(raw_i, protocol, found, y, random_s, chosen, psk if allowed else fake.psk)

    def _second(self, raw_i, protocol, found, y, random_s, chosen, ticket_psk):
        kind = found["kind"]
        point = spake2plus.blind(y, chosen.w0, spake2plus.N) if kind == 1 else curve.multiply(y, curve.G)
        share_s, blank = curve.encode(point), bytes(64) if kind == 3 else b""
        before = h1.h1_ii(protocol, self.group, random_s, share_s, None, blank)
        t1 = h1.transcript_1(raw_i, self.exporter)
        t2 = h1.transcript_2(t1, before, spki(self.key.point) if kind == 3 else None)
        run = {"T1": t1, "T2": t2, "share_s": share_s, "kind": kind}
        if kind == 1:
            z, v = spake2plus.verifier(y, chosen.w0, chosen.point_l, curve.decode(found["share_d"]))
            if z is curve.INFINITY or v is curve.INFINITY:
                k_main = sha(b"stands for 32 random octets" + random_s)
            else:
                run["TT"] = spake2plus.transcript(b"OSAP-H1 v1" + t2, found["serial"], self.realm, found["share_d"],
                                                  share_s, z, v, chosen.w0)
                run["Z"], run["V"] = curve.encode(z), curve.encode(v)
                k_main = spake2plus.main_key(run["TT"])
        else:
            run["Z"] = z = z_of(y, found["share_d"])
            k_main = h1.main_from_exchange(t2, z) if kind == 3 else h1.main_from_psk(
                t2, (chosen.psk if kind == 2 else ticket_psk), z)
        run["K_main"], run["schedule"] = k_main, h1.Schedule(k_main, t2)
        run["sig_s"] = raw_signature(self.key, h1.server_signed(t2)) if kind == 3 else b""
        known = getattr(chosen, "device_point", None)
        run["device_point"] = known if kind == 3 and sha(spki(known)) == found.get("key_id") else None
        return h1.h1_ii(protocol, self.group, random_s, share_s, run["schedule"].mac_s, run["sig_s"]), run

    def finish(self, run, raw_iii):
        """The keys after H1-III, or a refusal whose H1-V the device gets."""
        mac_d, sig_d = h1.read_iii(raw_iii, run["kind"])
        good = mac_d == run["schedule"].mac_d
        if run["kind"] == 3:
            point = run["device_point"]
            good = bool(point) and is_signed(point, h1.device_signed(run["T2"]), sig_d) and good
        require(good, "not-proven")
        return run["schedule"].finish(run["sig_s"], sig_d)


def _result(refusal):
    from .words import RESULTS
    name, _, extra = refusal.code.partition(":")
    return RESULTS[name], bytes.fromhex(extra)


class Device:
    """The device side of one run."""

    def __init__(self, serial, kind, realm=b"", exporter=b"", **secret):
        self.serial, self.kind, self.realm, self.exporter = serial, kind, realm, exporter
        self.secret = secret

    def first(self, protocol, group, kdf, x, random_d, mode=0):
        self.protocol, self.x = protocol, x
        blinded = self.kind == 1
        point = spake2plus.blind(x, self.secret["w0"], spake2plus.M) if blinded else curve.multiply(x, curve.G)
        self.share_d = curve.encode(point)
        extra = {3: lambda: sha(spki(self.secret["key"].point)), 4: lambda: self.secret["ticket_id"]}
        self.raw_i = h1.h1_i(protocol, group, self.serial, self.kind, kdf, random_d, self.share_d,
                             extra.get(self.kind, bytes)(), mode=mode)
        return self.raw_i

    def second(self, raw_ii, is_careless=False):
        """H1-III and the keys; `closed` when H1-II proves nothing. An attacker is careless: it answers all the same."""
        _, share_s, mac_s, sig_s, group, before = h1.read_ii(raw_ii, self.kind, self.protocol)
        require(share_s != self.share_d, "closed")
        try:
            point = curve.decode(share_s)
        except Refusal:
            raise Refusal("closed") from None
        pin = self.secret.get("pin") if self.kind == 3 else None
        t2 = h1.transcript_2(h1.transcript_1(self.raw_i, self.exporter), before, pin)
        if self.kind == 1:
            w0, w1 = self.secret["w0"], self.secret["w1"]
            z, v = spake2plus.prover(self.x, w0, w1, point)
            require(z is not curve.INFINITY and v is not curve.INFINITY, "closed")
            k_main = spake2plus.main_key(spake2plus.transcript(
                b"OSAP-H1 v1" + t2, self.serial, self.realm, self.share_d, share_s, z, v, w0))
        else:
            z = z_of(self.x, share_s)
            k_main = h1.main_from_exchange(t2, z) if self.kind == 3 else h1.main_from_psk(t2, self.secret["psk"], z)
        schedule = h1.Schedule(k_main, t2)
        require(is_careless or mac_s == schedule.mac_s, "closed")
        sig_d = b""
        if self.kind == 3:
            require(is_careless or is_signed(pin[26:], h1.server_signed(t2), sig_s), "closed")
            sig_d = raw_signature(self.secret["key"], h1.device_signed(t2))
        self.schedule, self.keys, self.sig_d = schedule, schedule.finish(sig_s, sig_d), sig_d
        return h1.h1_iii(schedule.mac_d, sig_d)
