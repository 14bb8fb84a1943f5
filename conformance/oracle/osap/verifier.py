"""A second opinion on vectors/osap: works values and verdicts out again from inputs and docs/osap-secure.md.

Imports nothing of the maker (no curve, h1, words, das, envelope, compat): affine arithmetic of its own for SPAKE2+,
the `cryptography` package's key exchange, HKDF and signatures for the rest. `python3 -m osap.verifier` in
conformance/oracle, or as the last step of make.py --check.
"""

import hashlib
import hmac
import json
import os
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from . import verifier_negotiation, verifier_session

PRIME = int("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff", 16)
ORDER = int("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
POINT_M = ("886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f", 0)
POINT_N = ("d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49", 1)


def expand(key, info, size):
    return HKDFExpand(algorithm=hashes.SHA256(), length=size, info=info).derive(key)


def hmac_256(key, data):
    return hmac.digest(key, data, "sha256")


def point_of(number):
    """number * G by the library."""
    public = ec.derive_private_key(number, ec.SECP256R1()).public_key()
    return public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def shared_x(number, point):
    other = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    return ec.derive_private_key(number, ec.SECP256R1()).exchange(ec.ECDH(), other)


def is_point(octets):
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), octets)
    except ValueError:
        return False
    return len(octets) == 65


def pair_of(octets):
    return int.from_bytes(octets[1:33], "big"), int.from_bytes(octets[33:65], "big")


def uncompressed(pair):
    return b"\x04" + pair[0].to_bytes(32, "big") + pair[1].to_bytes(32, "big")


def lift(description):
    x, odd = int(description[0], 16), description[1]
    b = int("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b", 16)
    y = pow((x ** 3 - 3 * x + b) % PRIME, (PRIME + 1) // 4, PRIME)
    return x, (y if y % 2 == odd else PRIME - y)


def plus(a, b):
    """Affine sum; None is infinity."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % PRIME == 0:
            return None
        slope = 3 * (a[0] * a[0] - 1) * pow(2 * a[1], -1, PRIME)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, PRIME)
    x = (slope * slope - a[0] - b[0]) % PRIME
    return x, (slope * (a[0] - x) - a[1]) % PRIME


def times(number, pair):
    total = None
    for bit in bin(number % ORDER)[2:]:
        total = plus(total, total)
        if bit == "1":
            total = plus(total, pair)
    return total


def little(data):
    return len(data).to_bytes(8, "little") + data


def signature_fits(spki, message, raw):
    key = serialization.load_der_public_key(spki)
    try:
        key.verify(encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")), message,
                   ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def spki_of(number):
    public = ec.derive_private_key(number, ec.SECP256R1()).public_key()
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def message(byte0, body):
    length, head = len(body), b""
    while True:
        head += bytes([length % 128 + (128 if length > 127 else 0)])
        length //= 128
        if not length:
            return bytes([byte0]) + head + body


class Run:
    """One handshake from its inputs: what the page says, top to bottom."""

    stretched = {}

    def __init__(self, inputs, secret=None):
        self.i = {k: bytes.fromhex(v) if k in ("exporter", "x", "y", "random_d", "random_s", "psk", "ticket_id", "device_key",
                                               "lbs_key") else v for k, v in inputs.items()}
        self.x, self.y = int.from_bytes(self.i["x"], "big"), int.from_bytes(self.i["y"], "big")
        self.serial, self.kind = self.i["serial"].encode(), self.i["kind"]
        if self.kind == 1:
            self.code()
        if self.kind == 3:
            self.device_spki = spki_of(int.from_bytes(self.i["device_key"], "big"))
            self.lbs_spki = spki_of(int.from_bytes(self.i["lbs_key"], "big"))
        self.psk = secret if secret is not None else self.i.get("psk")

    def code(self):
        key = (self.i["kdf"], self.i["code"], self.serial, self.i["realm"])
        password = b"".join(little(part.encode() if isinstance(part, str) else part) for part in key[1:])
        self.salt = hashlib.sha256(b"OSAP-H1 pw salt" + b"\0" + self.serial).digest()
        if key not in self.stretched:
            if key[0] == 1:
                made = hashlib.scrypt(password, salt=self.salt, n=32768, r=8, p=1, maxmem=1 << 26, dklen=80)
            else:
                made = hashlib.pbkdf2_hmac("sha256", password, self.salt, 600000, dklen=80)
            self.stretched[key] = made
        self.w = self.stretched[key]
        self.w0, self.w1 = (int.from_bytes(half, "big") % ORDER for half in (self.w[:40], self.w[40:]))

    def shares(self):
        share_d, share_s = point_of(self.x), point_of(self.y)
        if self.kind == 1:
            share_d = uncompressed(plus(pair_of(share_d), times(self.w0, lift(POINT_M))))
            share_s = uncompressed(plus(pair_of(share_s), times(self.w0, lift(POINT_N))))
        return share_d, share_s

    def first(self, share_d):
        i = self.i
        body = bytes([i["protocol"], len(i["group"]), *i["group"], 1, 16, 0, i["mode"], len(self.serial)]) + self.serial
        body += bytes([1, self.kind, i["kdf"]]) + i["random_d"] + share_d
        if self.kind == 3:
            body += hashlib.sha256(self.device_spki).digest()
        return message(0x1A, body + i.get("ticket_id", b""))

    def second_until_mac(self, share_s):
        i = self.i
        body = bytes([i["protocol"], len(i["server_group"]), *i["server_group"], 1, 16, 0, 0, 1]) + i["random_s"] + share_s
        whole = message(0x2A, body + bytes(32 + (66 if self.kind == 3 else 0)))
        return whole[:len(whole) - 32 - (66 if self.kind == 3 else 0)]

    def transcripts(self, first, until_mac):
        t1 = hashlib.sha256(b"OSAP-H1" + b"\0" + self.i["exporter"] + first).digest()
        t2 = hashlib.sha256(t1 + until_mac).digest()
        if self.kind == 3:
            t2 = hashlib.sha256(t2 + hashlib.sha256(self.lbs_spki).digest()).digest()
        return t1, t2

    def main(self, t2, share_d, share_s, from_device=True):
        found = {}
        if self.kind == 1:
            base = plus(pair_of(share_s), times(ORDER - self.w0, lift(POINT_N)))
            z, v = times(self.x, base), times(self.w1, base)
            if z is None or v is None:
                return None, found
            parts = [b"OSAP-H1 v1" + t2, self.serial, self.i["realm"].encode(), uncompressed(lift(POINT_M)),
                     uncompressed(lift(POINT_N)), share_d, share_s, uncompressed(z), uncompressed(v), self.w0.to_bytes(32, "big")]
            found = {"TT": b"".join(map(little, parts)), "Z": uncompressed(z), "V": uncompressed(v)}
            return hashlib.sha256(found["TT"]).digest(), found
        z = shared_x(self.x, share_s) if from_device else shared_x(self.y, share_d)
        found["Z"] = z
        return hmac_256(t2, z if self.kind == 3 else len(self.psk).to_bytes(2, "big") + self.psk + z), found

    def macs(self, main, t2):
        def key(label):
            return expand(main, b"osap-h1 " + label + b"\0" + t2, 32)
        mac_s = hmac_256(key(b"confirm s"), t2)
        return mac_s, hmac_256(key(b"confirm d"), t2 + mac_s)


class Book:
    """Counts what agrees and lists what does not."""

    def __init__(self):
        self.confirmed, self.wrong = 0, []

    def same(self, name, found, written):
        if isinstance(found, (bytes, bytearray)):
            found = bytes(found).hex()
        if found == written:
            self.confirmed += 1
        else:
            self.wrong.append("%s: %s, written %s" % (name, str(found)[:80], str(written)[:80]))


def handshake(book, row):
    run = Run(row["inputs"])
    share_d, share_s = run.shares()
    first, until_mac = run.first(share_d), run.second_until_mac(share_s)
    t1, t2 = run.transcripts(first, until_mac)
    main, found = run.main(t2, share_d, share_s)
    mac_s, mac_d = run.macs(main, t2)
    sig_s, sig_d = bytes.fromhex(row.get("sig_s", "")), bytes.fromhex(row.get("sig_d", ""))
    tail = b"\0\x40" if run.kind == 3 else b""
    t3 = hashlib.sha256(t2 + mac_s + mac_d + sig_s + sig_d).digest()
    found.update(h1_i=first, h1_ii=until_mac + mac_s + tail + sig_s, h1_iii=message(0x32, b"\1\x10\0" + mac_d + tail + sig_d),
                 T1=t1, T2=t2, K_main=main, mac_s=mac_s, mac_d=mac_d, T3=t3)
    if run.kind == 1:
        found.update(salt=run.salt, w0s_w1s=run.w, w0=run.w0.to_bytes(32, "big"), w1=run.w1.to_bytes(32, "big"), L=point_of(run.w1))
    for label in ("confirm s", "confirm d"):
        found[label] = expand(main, b"osap-h1 " + label.encode() + b"\0" + t2, 32)
    for name, value in found.items():
        book.same("handshake %s: %s" % (row["name"], name), value, row[name])
    for label, written in row["keys"].items():
        value = expand(main, b"osap-h1 " + label.encode() + b"\0" + t3, len(written) // 2)
        book.same("handshake %s: %s" % (row["name"], label), value, written)
    if run.kind == 3:
        book.same(row["name"] + " lbs_spki", run.lbs_spki, row["lbs_spki"])
        book.same(row["name"] + " device_spki", run.device_spki, row["device_spki"])
        book.same(row["name"] + " sig_s", signature_fits(run.lbs_spki, b"OSAP-H1 server sig\0" + t2, sig_s), True)
        book.same(row["name"] + " sig_d", signature_fits(run.device_spki, b"OSAP-H1 device sig\0" + t2, sig_d), True)


def device_says(inputs, raw, share_d, first):
    """Whether a device in that run takes the H1-II `raw`; the exact layout is demanded from behind."""
    run = Run(inputs)
    tail = 66 if run.kind == 3 else 0
    place = 2 if raw[1] < 128 else 3
    if len(raw) < place + 2 or message(raw[0], raw[place:]) != raw or raw[0] != 0x2A:
        return "closed"
    header = 2 + raw[place + 1]
    body = raw[place + header:]
    if len(body) > 3 and body[3] != 0 and len(body) < 40:
        return "result-%d" % body[3]
    if len(body) != 3 + 1 + 1 + 32 + 65 + 32 + tail or body[:5] != b"\1\x10\0\0\1" or raw[place] != inputs["protocol"]:
        return "closed"
    share_s, until_mac = body[37:102], raw[:place + header + 102]
    if not is_point(share_s) or share_s[0] != 4 or share_s == share_d:
        return "closed"
    _, t2 = run.transcripts(first, until_mac)
    main, _ = run.main(t2, share_d, share_s)
    if main is None or run.macs(main, t2)[0] != body[102:134]:
        return "closed"
    if run.kind == 3 and not (body[134:136] == b"\0\x40" and signature_fits(run.lbs_spki, b"OSAP-H1 server sig\0" + t2, body[136:])):
        return "closed"
    return None


def lbs_says(run, given, expected_mac, t2=None):
    """The reason for which an H1-III is refused, None if it is right."""
    if given[0] != 0x32:
        return "order"
    size = 35 + (66 if run.kind == 3 else 0)
    if given != message(0x32, given[2:]) or len(given) != 2 + size or given[2:5] != b"\1\x10\0":
        return "malformed"
    if given[5:37] != expected_mac:
        return "not-proven"
    if run.kind == 3 and not signature_fits(run.device_spki, b"OSAP-H1 device sig\0" + t2, given[39:]):
        return "not-proven"
    return None


def attack(book, row, runs, world):
    """Rows that are judged by octets: H1-II at the device, H1-III at the Lbs."""
    base, name = runs.get(row["run"]), "attacks " + row["name"]
    if row["side"] == "device" and base:
        inputs = dict(base["inputs"])
        if "exporter is" in row["change"]:
            inputs["exporter"] = row["change"].split()[-1]
        share_d = bytes.fromhex(base["h1_i"])[-65 - (32 if inputs["kind"] == 3 else 16 if inputs["kind"] == 4 else 0):][:65]
        told = device_says(inputs, bytes.fromhex(row["h1_ii"]), share_d, bytes.fromhex(base["h1_i"]))
        book.same(name, told, row.get("reason"))
    elif row["side"] == "lbs" and "h1_iii" in row and base and "h1_ii" not in row and row["accept"] is False:
        run, t2 = Run(base["inputs"]), bytes.fromhex(base["T2"])
        book.same(name, lbs_says(run, bytes.fromhex(row["h1_iii"]), bytes.fromhex(base["mac_d"]), t2), row["reason"])
    elif row["side"] == "lbs" and "h1_iii" in row and "inputs" in row:
        own(book, name, row, world)


def own(book, name, row, world):
    """Runs of their own: the Lbs' side from y and its records; the H1-III must fit, or must not."""
    inputs = row["inputs"]
    held = {r["serial"]: dict(r) for r in world["records"]}.get(inputs["serial"], {"allowed": [], "min_type": 2})
    held.update(row.get("record", {}))
    kind, first = inputs["kind"], bytes.fromhex(row["h1_i"])
    allowed = held["min_type"] <= inputs["protocol"] and (
        kind == 4 or kind in held["allowed"] or (kind == 1 and held.get("window", False)))
    if kind == 1:
        allowed = allowed and "w0" in held and not held.get("code_burned")
    fake = hmac_256(bytes.fromhex(world["server_secret"]), b"osap-h1 fake\0" + inputs["serial"].encode())
    secrets = {2: held.get("psk"), 4: held.get("ticket", {}).get("secret")}
    psk = bytes.fromhex(secrets[kind]) if allowed and secrets.get(kind) else expand(fake, b"osap-h1 fake psk", 32)
    run = Run(inputs, psk) if kind != 3 else Run({**inputs, "lbs_key": world["lbs_key"]})
    share_d = first[-65 - (32 if kind == 3 else 16 if kind == 4 else 0):][:65]
    share_s = point_of(run.y)
    if kind == 1:
        w0 = int(held["w0"], 16) if allowed else int.from_bytes(expand(fake, b"osap-h1 fake w0", 40), "big") % ORDER
        share_s = uncompressed(plus(pair_of(share_s), times(w0, lift(POINT_N))))
    until_mac = run.second_until_mac(share_s)
    _, t2 = run.transcripts(first, until_mac)
    if kind == 1:
        main = lbs_code_main(run, w0, held, allowed, world, t2, share_d, share_s)
    else:
        main, _ = run.main(t2, share_d, share_s, from_device=False)
    mac_s, mac_d = run.macs(main, t2)
    if "h1_ii" in row:
        written = bytes.fromhex(row["h1_ii"])
        book.same(name + ": H1-II", (until_mac + mac_s).hex(), written[:len(until_mac) + 32].hex())
    on_record = kind != 3 or held.get("device_point") == point_of(int(inputs["device_key"], 16)).hex()
    certified = inputs["protocol"] != 8 or row.get("certificate_serial") == inputs["serial"]
    told = lbs_says(run, bytes.fromhex(row["h1_iii"]), mac_d, t2)
    told = told or (None if on_record and certified else "not-proven")
    book.same(name, told, row.get("reason"))


def lbs_code_main(run, w0, held, allowed, world, t2, share_d, share_s):
    if allowed:
        point_l = pair_of(bytes.fromhex(held["L"]))
    else:
        shared = hmac_256(bytes.fromhex(world["server_secret"]), b"osap-h1 fake\0")
        point_l = pair_of(point_of(int.from_bytes(expand(shared, b"osap-h1 fake w1", 40), "big") % ORDER))
    base = plus(pair_of(share_d), times(ORDER - w0, lift(POINT_M)))
    z, v = times(run.y, base), times(run.y, point_l)
    parts = [b"OSAP-H1 v1" + t2, run.serial, world["realm"].encode(), uncompressed(lift(POINT_M)), uncompressed(lift(POINT_N)),
             share_d, share_s, uncompressed(z), uncompressed(v), w0.to_bytes(32, "big")]
    return hashlib.sha256(b"".join(map(little, parts))).digest()


def registrations(book, rows):
    """Records of codes, fake records, and the RFC's own numbers."""
    for row in rows:
        name = "spake2plus " + row["name"]
        if row["kind"] == "record":
            run = Run({**row, "kind": 1, "x": "01", "y": "01"})
            for part, value in (("salt", run.salt), ("w0s_w1s", run.w), ("L", point_of(run.w1))):
                book.same(name + " " + part, value, row[part])
        elif row["kind"] == "fake":
            secret = bytes.fromhex(row["server_secret"])
            own_key, all_key = (hmac_256(secret, b"osap-h1 fake\0" + who) for who in (row["serial"].encode(), b""))
            w0 = int.from_bytes(expand(own_key, b"osap-h1 fake w0", 40), "big") % ORDER
            points = [point_of(int.from_bytes(expand(all_key, label, 40), "big") % ORDER)
                      for label in (b"osap-h1 fake w1", b"osap-h1 fake key")]
            kdf = row["fake_kdfs"][expand(own_key, b"osap-h1 fake kdf", 1)[0] % len(row["fake_kdfs"])]
            for part, value in (("w0", w0.to_bytes(32, "big")), ("psk", expand(own_key, b"osap-h1 fake psk", 32)), ("kdf", kdf),
                                ("L", points[0]), ("device_point", points[1])):
                book.same(name + " " + part, value, row[part])
        else:
            x, y, w0, w1 = (int(row[part], 16) for part in ("x", "y", "w0", "w1"))
            share_p = plus(pair_of(point_of(x)), times(w0, lift(POINT_M)))
            base = plus(share_p, times(ORDER - w0, lift(POINT_M)))
            book.same(name + " share_p", uncompressed(share_p), row["share_p"])
            book.same(name + " Z", uncompressed(times(y, base)), row["Z"])
            book.same(name + " V", uncompressed(times(y, pair_of(point_of(w1)))), row["V"])


def verify(folder):
    """(how many values agree, [what does not])."""
    book, files = Book(), {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="ascii") as source:
            files[name] = json.load(source)
    for row in files["handshake.json"]["vectors"]:
        handshake(book, row)
    registrations(book, files["spake2plus.json"]["vectors"])
    runs = {row["name"]: row for row in files["handshake.json"]["vectors"]}
    for row in files["attacks.json"]["vectors"]:
        attack(book, row, runs, files["attacks.json"]["world"])
    verifier_session.verify(book, files, runs)
    verifier_negotiation.verify(book, files)
    return book.confirmed, book.wrong


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    count, complaints = verify(os.path.join(here, os.pardir, os.pardir, "vectors", "osap"))
    print("\n".join(complaints))
    print(count, "values agree,", len(complaints), "differ")
    sys.exit(1 if complaints else 0)
