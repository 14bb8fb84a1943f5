"""The run: H1-I to H1-V as octets, key schedule, records. docs/osap-secure.md sections 3 to 7."""

from refusal import Refusal, require

from . import curve
from .words import NO_COMMON, VERSION, expand, extract, frame, mac, nonce, seal, sha, unframe, unseal

D2S = {0x72: 0, 0x92: 1, 0xA2: 2}
S2D = {0x82: 0, 0xB2: 1}
LABELS = (("lbs d2s key", 16), ("lbs d2s iv", 12), ("lbs s2d key", 16), ("lbs s2d iv", 12), ("das", 32),
          ("resume", 32), ("enrol", 32))


def negotiation(kind, group):
    return bytes([kind, len(group)]) + bytes(group)


def h1_i(protocol, group, serial, kind, kdf, random_d, share_d, extra=b"", suite=1, mode=0):
    body = negotiation(protocol, group) + VERSION + bytes([mode, len(serial)]) + serial
    return frame(0x1A, body + bytes([suite, kind, kdf]) + random_d + share_d + extra)


def h1_ii(protocol, group, random_s, share_s, mac_s, signature=b""):
    """`mac_s` None gives the octets before it, under the length of the whole."""
    body = negotiation(protocol, group) + VERSION + b"\x00\x01" + random_s + share_s + (mac_s or bytes(32))
    raw = frame(0x2A, body + signed(signature))
    return raw if mac_s else raw[:len(raw) - 32 - len(signed(signature))]


def signed(signature):
    return len(signature).to_bytes(2, "big") + signature if signature else b""


def refusal(protocol, group, result, extra=b""):
    version = NO_COMMON if result in (20, 21) else VERSION
    return frame(0x2A, negotiation(protocol, group) + version + bytes([result]) + extra)


def h1_iii(mac_d, signature=b""):
    return frame(0x32, VERSION + mac_d + signed(signature))


def h1_v(result):
    return frame(0x52, VERSION + bytes([result]))


class Reader:
    def __init__(self, octets):
        self.octets, self.place = octets, 0

    def take(self, count):
        require(self.place + count <= len(self.octets), "malformed")
        self.place += count
        return self.octets[self.place - count:self.place]

    def byte(self):
        return self.take(1)[0]

    def end(self):
        require(self.place == len(self.octets), "malformed")


def read_header(reader):
    protocol, count = reader.byte(), reader.byte()
    require(1 <= count <= 14, "malformed")
    group = list(reader.take(count))
    require(0 not in group and len(set(group)) == count and protocol in group, "malformed")
    return protocol, group


def read_i(raw):
    """Header of an H1-I and a reader on its payload; what needs no knowledge of types."""
    byte0, _, body = unframe(raw, 256)
    require(byte0 == 0x1A, "closed")
    reader = Reader(body)
    protocol, group = read_header(reader)
    return protocol, group, reader


def read_payload(reader):
    """The fields of H1-I after its header, in the order of section 10."""
    require(reader.take(3) == VERSION, "malformed")
    found = {"mode": reader.byte()}
    require(found["mode"] in (0, 1), "malformed")
    found["serial"] = reader.take(reader.byte())
    require(1 <= len(found["serial"]) <= 71, "malformed")
    require(all(0x21 <= c <= 0x7E and c not in b'"#+/\\' for c in found["serial"]), "malformed")
    suite, found["kind"], found["kdf"] = reader.take(3)
    found["random_d"], found["share_d"] = reader.take(32), reader.take(65)
    require(1 <= found["kind"] <= 4, "malformed")
    if found["kind"] == 3:
        found["key_id"] = reader.take(32)
    if found["kind"] == 4:
        found["ticket_id"] = reader.take(16)
    reader.end()
    require(suite == 1, "suite")
    require(found["kdf"] in ((1, 2) if found["kind"] == 1 else (0,)), "kdf")
    curve.decode(found["share_d"])
    return found


def transcript_1(raw_i, exporter=b""):
    return sha(b"OSAP-H1\x00" + exporter + raw_i)


def transcript_2(t1, raw_ii_before_mac, server_spki=None):
    """T2', which is T2 unless a server key is given (kind 3)."""
    t2 = sha(t1 + raw_ii_before_mac)
    return t2 if server_spki is None else sha(t2 + sha(server_spki))


def main_from_psk(t2, psk, z):
    return extract(t2, len(psk).to_bytes(2, "big") + psk + z)


def main_from_exchange(t2, z):
    return extract(t2, z)


def labelled(k_main, label, transcript, count):
    return expand(k_main, b"osap-h1 " + label.encode() + b"\x00" + transcript, count)


class Schedule:
    """Everything after K_main."""

    def __init__(self, k_main, t2):
        self.k_main, self.t2 = k_main, t2
        self.mac_s = mac(labelled(k_main, "confirm s", t2, 32), t2)
        self.mac_d = mac(labelled(k_main, "confirm d", t2, 32), t2 + self.mac_s)

    def finish(self, sig_s=b"", sig_d=b""):
        self.t3 = sha(self.t2 + self.mac_s + self.mac_d + sig_s + sig_d)
        return {label: labelled(self.k_main, label, self.t3, count) for label, count in LABELS}


def server_signed(t2):
    return b"OSAP-H1 server sig\x00" + t2


def device_signed(t2):
    return b"OSAP-H1 device sig\x00" + t2


def seal_record(keys, byte0, seq, plain):
    way = "lbs d2s" if byte0 in D2S else "lbs s2d"
    start = frame(byte0, bytes(27 + len(plain)))[:-(27 + len(plain))]
    head = start + VERSION + seq.to_bytes(8, "big")
    return head + seal(keys[way + " key"], nonce(keys[way + " iv"], seq), plain, head)


def open_record(keys, raw, byte0, seq):
    """The plaintext of the record that has to come now."""
    got, head, body = unframe(raw, 2048)
    require(got == byte0, "closed")
    require(len(body) >= 27 and body[:3] == VERSION, "closed")
    require(int.from_bytes(body[3:11], "big") == seq, "closed")
    way = "lbs d2s" if byte0 in D2S else "lbs s2d"
    return unseal(keys[way + " key"], nonce(keys[way + " iv"], seq), body[11:], head + body[:11], "closed")


def read_iii(raw, kind):
    """(mac_d, sig_d)."""
    byte0, _, body = unframe(raw, 128)
    require(byte0 == 0x32, "order")
    reader = Reader(body)
    require(reader.take(3) == VERSION, "malformed")
    mac_d, signature = reader.take(32), b""
    if kind == 3:
        require(reader.take(2) == b"\x00\x40", "malformed")
        signature = reader.take(64)
    reader.end()
    return mac_d, signature


def read_ii(raw, kind, asked):
    """What a device reads of an H1-II with result 0: (random_s, share_s, mac_s, sig_s, group, octets before mac_s)."""
    byte0, _, body = unframe(raw, 256)
    require(byte0 == 0x2A, "closed")
    reader = Reader(body)
    try:
        protocol, group = read_header(reader)
        version, result = reader.take(3), reader.byte()
        require(result == 0, "result-%d" % result)
        require(version == VERSION and protocol == asked, "closed")
        require(reader.byte() == 1, "closed")
        random_s, share_s = reader.take(32), reader.take(65)
        before = raw[:len(raw) - len(body) + reader.place]
        mac_s, signature = reader.take(32), b""
        if kind == 3:
            require(reader.take(2) == b"\x00\x40", "closed")
            signature = reader.take(64)
        reader.end()
    except Refusal as refusal:
        raise Refusal(refusal.code if refusal.code.startswith("result-") else "closed") from None
    return random_s, share_s, mac_s, signature, group, before
