"""spake2plus.json: the P-256 vector of RFC 9383 appendix C, and records of codes."""

from vectors import accepted, file_octets

from . import curve, parties, spake2plus, world
from .v_handshake import octets32

ABOUT = ("kind rfc: RFC 9383 appendix C, P-256 with SHA-256. kind record: what a code becomes at the Lbs (w0, L) and in a small "
         "device (w0, w1). kind fake: what stands for a serial without a record. docs/osap-secure.md 5, 10.")
RFC = {
    "context": b"SPAKE2+-P256-SHA256-HKDF-SHA256-HMAC-SHA256 Test Vectors", "id_prover": b"client", "id_verifier": b"server",
    "w0": 0xBB8E1BBCF3C48F62C08DB243652AE55D3E5586053FCA77102994F23AD95491B3,
    "w1": 0x7E945F34D78785B8A3EF44D0DF5A1A97D6B3B460409A345CA7830387A74B1DBA,
    "x": 0xD1232C8E8693D02368976C174E2088851B8365D0D79A9EEE709C6A05A2FAD539,
    "y": 0x717A72348A182085109C8D3917D6C43D59B224DC6A7FC4F0483232FA6516D8B3,
}
K_MAIN = "4c59e1ccf2cfb961aa31bd9434478a1089b56cd11542f53d3576fb6c2a438a29"


def rfc():
    """Every value of the appendix that the profile uses."""
    r = RFC
    share_p = curve.encode(spake2plus.blind(r["x"], r["w0"], spake2plus.M))
    share_v = curve.encode(spake2plus.blind(r["y"], r["w0"], spake2plus.N))
    point_l = spake2plus.record(r["w1"])
    z, v = spake2plus.prover(r["x"], r["w0"], r["w1"], curve.decode(share_v))
    assert (z, v) == spake2plus.verifier(r["y"], r["w0"], point_l, curve.decode(share_p))
    tt = spake2plus.transcript(r["context"], r["id_prover"], r["id_verifier"], share_p, share_v, z, v, r["w0"])
    assert spake2plus.main_key(tt).hex() == K_MAIN
    numbers = {name: octets32(r[name]) for name in ("w0", "w1", "x", "y")}
    return {"context": r["context"].decode(), "id_prover": "client", "id_verifier": "server", **numbers, "L": curve.encode(point_l),
            "share_p": share_p, "share_v": share_v, "Z": curve.encode(z), "V": curve.encode(v), "TT": tt,
            "K_main": spake2plus.main_key(tt)}


def build():
    rows = [accepted("RFC 9383 appendix C, P-256", kind="rfc", **rfc())]
    for name, kdf, serial in (("scrypt", 1, world.CAMERA), ("PBKDF2", 2, world.LOCK)):
        salt, stretched, w0, w1, point_l = world.registration(kdf, serial)
        rows.append(accepted("record: " + name, kind="record", kdf=kdf, serial=serial.decode(), realm=world.REALM.decode(),
                             code=world.CODE.decode(), salt=salt, w0s_w1s=stretched, w0=octets32(w0), w1=octets32(w1),
                             L=curve.encode(point_l)))
    for serial in (b"T99999999", b"T99999998", b"T99999997", b"X"):
        fake = parties.Fake(world.SECRET, serial)
        rows.append(accepted("fake: " + serial.decode(), kind="fake", server_secret=world.SECRET, serial=serial.decode(),
                             fake_kdfs=list(parties.FAKE_KDFS), w0=octets32(fake.w0), psk=fake.psk, kdf=fake.kdf,
                             L=curve.encode(fake.point_l), device_point=fake.device_point))
    return {"spake2plus.json": file_octets(ABOUT, rows)}
