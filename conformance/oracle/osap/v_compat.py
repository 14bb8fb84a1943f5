"""compat.json: keys and messages of type 1, and its break by a listener. transcript.json: the recorded dialogues."""

import ecc
import labels
from refusal import outcome
from vectors import accepted, file_octets, judged

from . import compat, transcript
from .words import unframe

ABOUT = ("Type 1. kind share-key: every step of the derivation; message: 'bytes' from the fields; open: what a receiver of "
         "a sealed part says; listener: the session key from two messages on the wire, without any secret.")
RECORDED = ("Recorded dialogues of a deployed device client of type 1. Each message was decoded and made again from 'fields' "
            "octet by octet by the oracle; keys that no message carries are among the fields.")
SERIAL, CODE = b"T12345678", b"QWERTY"


def build():
    return {"compat.json": file_octets(ABOUT, keys() + messages() + listener() + opened()),
            "transcript.json": file_octets(RECORDED, [accepted(name, **fields) for name, fields in transcript.Replay().run()])}


def keys():
    rows = []
    for serial, code in ((SERIAL, CODE), (b"TESTPRODUCTKEY00000001:DEVNAME00001", b"TestLicense00000000001"), (b"E00000042", b"ABCDEF")):
        for upper in (True, False):
            rows.append(accepted("share key of %s, %s" % (serial.decode(), "upper" if upper else "lower"), kind="share-key",
                                 serial=serial.decode(), code=code.decode(), upper=upper,
                                 **{k: v for k, v in compat.share_key(code, serial, upper).items()}))
    assert rows[0]["aes_key"] == b"34F23121EB7225EE"
    device, server = pair()
    z = device.exchange(server.point)
    rows.append(accepted("master key", kind="master-key", device_scalar=device.scalar.to_bytes(48, "big"), server_point=server.point,
                         server_scalar=server.scalar.to_bytes(48, "big"), device_point=device.point, z=z,
                         master_key=compat.master_key(z), serial=SERIAL.decode(), sign=compat.proof(compat.master_key(z), SERIAL)))
    return rows


def pair():
    return ecc.PrivateKey.from_label(ecc.P384, "osap/compat/device"), ecc.PrivateKey.from_label(ecc.P384, "osap/compat/server")


def world():
    device, server = pair()
    master = compat.master_key(device.exchange(server.point))
    return (device, server, compat.share_key(CODE, SERIAL)["aes_key"], master, compat.proof(master, SERIAL),
            labels.octets("osap/compat/devid", 16).hex().encode(), labels.octets("osap/compat/session", 16))


def messages():
    device, server, key, master, sign, devid, session = world()
    told = (b'{"Type":"DAS","DasInfo":{"Address":"127.0.0.1","Port":1883,"UdpPort":0,"Domain":"das.example","ServerID":"das-1"},'
            b'"SrvGroup":[1,2,4,8],"DevGroup":[1]}')
    asked = b'{"DevSerial":"T12345678","Type":"DAS","Mode":0}'
    rows = []
    for name, raw in (
            ("AUTH_I", compat.auth_i(SERIAL, key, device.point)), ("AUTH_II", compat.auth_ii(key, server.point)),
            ("AUTH_II, mismatch", compat.failure(0x2A, 20, b"\x08\x03\x02\x04\x08")), ("AUTH_II, result 1", compat.failure(0x2A, 1, b"\x01")),
            ("AUTH_I, second generation", compat.auth_i_second_generation(SERIAL, key, device.point)),
            ("AUTH_II, second generation", compat.auth_ii_second_generation(key, server.point)),
            ("request for a device id", compat.apply_request(sign)), ("device id and session", compat.session_answer(0x82, master, devid, session, sign)),
            ("device id and session, second generation", compat.session_answer_second_generation(0x82, master, devid, session, sign)),
            ("request for a session", compat.refresh_request(devid, sign)), ("session", compat.session_answer(0x62, master, devid, session, sign)),
            ("refresh I", compat.refresh_i(SERIAL, devid, master, b"\x67")), ("refresh II", compat.refresh_ii(master, b"\x67", b"\x4e", session)),
            ("refresh II, result 10", compat.failure(0x80, 10)), ("refresh III", compat.refresh_iii(master, b"\x4e")),
            ("request for a Das", compat.ask(session, asked)), ("a Das, server can do more", compat.told(session, told))):
        unframe(raw, 1024)
        rows.append(accepted("message: " + name, kind="message", bytes=raw))
    for row in rows:
        row.update(serial=SERIAL.decode(), share_key=key, master_key=master, session_key=session, devid=devid,
                   device_point=device.point, server_point=server.point)
    return rows


def listener():
    _, _, _, master, sign, devid, session = world()
    request, answer = compat.refresh_request(devid, sign), compat.session_answer(0x62, master, devid, session, sign)
    assert compat.session_from_the_wire(request, answer) == session
    rows = [accepted("listener: session key from 42 and 62", kind="listener", request=request, answer=answer, session_key=session)]
    recorded = {name: fields for name, fields in transcript.Replay().run()}
    request = next(f for n, f in recorded.items() if n.startswith("3/") and f["message"] == "refresh-request")["bytes"]
    found = next(f for n, f in recorded.items() if n.startswith("3/") and f["message"] == "refresh-answer")
    assert compat.session_from_the_wire(request, found["bytes"]) == found["fields"]["session_key"] == b"52eda84a2f840d6b"
    rows.append(accepted("listener: session key of recorded dialogue 3", kind="listener", request=request, answer=found["bytes"],
                         session_key=found["fields"]["session_key"]))
    return rows


def opened():
    device, _, key, master, _, devid, _ = world()
    sealed, block = compat.seal(key, device.point), compat.cbc(master, devid)
    other = compat.share_key(b"QWERTZ", SERIAL)["aes_key"]
    rows = []
    for name, function, k, data, expected in (
            ("GCM", compat.unseal, key, sealed, None), ("GCM, tag flipped", compat.unseal, key, bytes([sealed[0] ^ 1]) + sealed[1:], "not-proven"),
            ("GCM, other code", compat.unseal, other, sealed, "not-proven"), ("CBC", compat.uncbc, master, block, None),
            ("CBC, no whole block", compat.uncbc, master, block[:-1], "decryption"), ("CBC, empty", compat.uncbc, master, b"", "decryption"),
            ("CBC, padding", compat.uncbc, master, block[:-16], "decryption")):
        found = outcome(function, k, data)
        rows.append(judged("open: " + name, expected, found, kind="open", mode=name[:3], key=k, sealed=data,
                           **({"plain": found[1]} if found[0] else {})))
    return rows
