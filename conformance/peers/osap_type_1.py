"""A device of OSAP protocol type 1 as deployed ones speak it, written from a description of the wire alone.

osap_type_1.py HOST PORT SERIAL CODE  proves itself to the load balancer there, goes where that sends it, connects with
Paho, says that `Lock/isLocked` is true and that `Lock/opened` happened, runs `Lock/open` and takes one value of
`Lock/isLocked`. It prints one line per step and ends with a status that says whether all were right.
"""

import datetime
import hashlib
import hmac
import json
import os
import queue
import socket
import struct
import sys
import uuid

import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HOST, PORT, SERIAL, CODE = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
WAIT = 60
SALT = b"www.88075998.com"
IV = b"01234567" + bytes(8)
NONCE = b"012345" + bytes(6)


def say(*words):
    print(*words, flush=True)


def upper_hex(octets):
    return octets.hex().upper().encode()


def share_key(code, serial):
    first = upper_hex(hashlib.md5(code + serial).digest())
    second = upper_hex(hashlib.md5(first + SALT).digest())
    third = upper_hex(hashlib.md5(second).digest())
    return upper_hex(hashlib.pbkdf2_hmac("sha256", third, SALT, 3, 32))[10:26]


def gcm(key, plain):
    sealed = AESGCM(key).encrypt(NONCE, plain, b"")
    return sealed[-16:] + sealed[:-16]


def ungcm(key, tag, sealed):
    return AESGCM(key).decrypt(NONCE, sealed + tag, b"")


def cbc(key, plain):
    padder = padding.PKCS7(128).padder()
    sealer = Cipher(algorithms.AES(key), modes.CBC(IV)).encryptor()
    return sealer.update(padder.update(plain) + padder.finalize()) + sealer.finalize()


def uncbc(key, sealed):
    opener = Cipher(algorithms.AES(key), modes.CBC(IV)).decryptor()
    padder = padding.PKCS7(128).unpadder()
    return padder.update(opener.update(sealed) + opener.finalize()) + padder.finalize()


# The description's own vector, before anything is said to anybody.
assert share_key(b"QWERTY", b"T12345678") == b"34F23121EB7225EE"


class Dialogue:
    """One connection to the load balancer."""

    def __init__(self):
        self.socket = socket.create_connection((HOST, PORT), timeout=WAIT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, kind, header, payload):
        left, length = len(header) + len(payload), b""
        while True:
            length += bytes([left & 0x7F | (0x80 if left > 0x7F else 0)])
            left >>= 7
            if not left:
                break
        # As devices do: fixed header, variable header and payload by themselves.
        for part in (bytes([kind]) + length, header, payload):
            if part:
                self.socket.sendall(part)

    def octets(self, count):
        got = b""
        while len(got) < count:
            more = self.socket.recv(count - len(got))
            assert more, "the load balancer hung up"
            got += more
        return got

    def receive(self, nibble):
        kind, length, place = self.octets(1)[0], 0, 0
        while True:
            part = self.octets(1)[0]
            length |= (part & 0x7F) << 7 * place
            place += 1
            if not part & 0x80:
                break
        assert kind >> 4 == nibble, f"message {kind:02x} in the place of {nibble:x}"
        return kind, self.octets(length)

    def result(self, nibble):
        """What follows version and result 0."""
        _, body = self.receive(nibble)
        assert body[3] == 0, f"result {body[3]} in message {nibble:x}"
        return body[4:]

    def ask(self, session_key):
        request = '{"DevSerial":"%s","Type":"DAS","Mode":0}' % SERIAL
        self.send(0xA0, b"", b"\1\1\0" + cbc(session_key, request.encode()))
        told = json.loads(uncbc(session_key, self.result(0xB)))
        assert told["Type"] == "DAS"
        info = told["DasInfo"]
        for member, kind in [("Address", str), ("Port", int), ("UdpPort", int), ("Domain", str), ("ServerID", str)]:
            assert isinstance(info[member], kind), member
        self.socket.close()
        return info["Address"], info["Port"]


def first_authentication():
    key, serial = share_key(CODE.encode(), SERIAL.encode()), SERIAL.encode()
    private = ec.generate_private_key(ec.SECP384R1())
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    lbs = Dialogue()
    lbs.send(0x1A, b"\1\1\1", b"\1\2\0\0" + bytes([len(serial)]) + serial + gcm(key, point))
    kind, body = lbs.receive(2)
    assert kind & 8 and body[0] == 1 and body[4] == 0, body[:5].hex()
    theirs = ungcm(key, body[5:21], body[21:])
    z = private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), theirs))
    master = upper_hex(hashlib.md5(z).digest()[:8])
    sign = hmac.new(master, hashlib.sha384(serial).digest(), hashlib.sha384).digest()
    lbs.send(0x72, b"", b"\1\1\0" + sign)
    body = lbs.result(8)
    assert len(body) == 130 and body[16] == 32 and body[65] == 16
    devid, session_key = ungcm(master, body[:16], body[17:49]), ungcm(master, body[49:65], body[66:82])
    assert hmac.compare_digest(body[82:], sign)
    assert len(devid) == 32 and devid.isalnum()
    return devid, master, session_key, lbs.ask(session_key)


def refresh(devid, master):
    serial, challenge = SERIAL.encode(), os.urandom(1)
    lbs = Dialogue()
    who = bytes([len(serial)]) + serial + b"\x20" + devid
    lbs.send(0x70, b"", b"\1\1\0" + who + cbc(master, challenge))
    plain = uncbc(master, lbs.result(8))
    assert len(plain) == 18 and plain[:1] == challenge
    lbs.send(0x90, b"", b"\1\1\0" + cbc(master, plain[1:2]))
    return plain[2:], lbs.ask(plain[2:])


class Device:
    """A connection to the access service."""

    def __init__(self, devid, session_key):
        self.key, self.seq = session_key, 0
        self.answers, self.messages, self.acknowledged = queue.Queue(), queue.Queue(), queue.Queue()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "", protocol=mqtt.MQTTv311, clean_session=True)
        self.client.username_pw_set(SERIAL, "test")
        about = {"DevSerial": "", "SubSerial": SERIAL, "FirmwareVersion": "V1", "Status": 1, "RegMode": 1}
        about |= {"DeviceID": devid.decode(), "SDKVersion": {"1000": "V3.0.0"}}
        topic = f"/Basic/pu2cenplt/{SERIAL}/firstconnect".ljust(128, "\0")
        self.client.will_set(topic, self.cbc(json.dumps(about)), qos=1, retain=True)
        self.client.on_connect = lambda _c, _u, _f, code, _p: self.answers.put(not code.is_failure)
        self.client.on_message = lambda _c, _u, message: self.messages.put(message)
        self.client.on_publish = lambda _c, _u, mid, _r, _p: self.acknowledged.put(mid)

    def cbc(self, text):
        return cbc(self.key, text.encode())

    def connect(self, address, port):
        self.client.connect(address, port, keepalive=30)
        self.client.loop_start()
        is_in = self.answers.get(timeout=WAIT)
        if not is_in:
            self.client.disconnect()
            self.client.loop_stop()
        return is_in

    def publish(self, topic, application, seq=None):
        if seq is None:
            self.seq += 1
            seq = self.seq
        general = json.dumps({"Seq": seq}).encode()
        plain = struct.pack("!H", len(general)) + general + json.dumps(application).encode()
        sent = self.client.publish(f"/iot/{SERIAL}/global/0-global/{topic}", cbc(self.key, plain), qos=1, retain=True)
        while self.acknowledged.get(timeout=WAIT) != sent.mid:
            pass

    def order(self, topic):
        """The next message of the platform to this topic: Seq and application."""
        while True:
            message = self.messages.get(timeout=WAIT)
            plain = uncbc(self.key, message.payload)
            (size,) = struct.unpack("!H", plain[:2])
            general, application = json.loads(plain[2 : 2 + size]), json.loads(plain[2 + size :])
            assert isinstance(general["CmdVer"], str) and 0 < general["Seq"] < 2**31, general
            if message.topic == f"/iot/{SERIAL}/global/0-global/{topic}":
                return general["Seq"], application
            say("other", message.topic)


devid, master, session_key, (address, port) = first_authentication()
say("authenticated", devid.decode())
if not Device(devid, session_key).connect(address, port):
    say("sent-back")
    session_key, (address, port) = refresh(devid, master)
    say("refreshed")
device = Device(devid, session_key)
assert device.connect(address, port), "not let in"
for wanted in (f"/iot/{SERIAL}/#", f"/{SERIAL}/#"):
    device.client.subscribe(wanted, 1)
say("online")
reported = {"domain": "Lock", "identifier": "isLocked", "value": True}
device.publish(
    "basic/shadow/report", {"method": "report", "spv": 3, "state": {"reported": reported, "version": 1}}
)
say("reported")
now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
basic = {"dateTime": now, "UUID": str(uuid.uuid4())}
device.publish("model/event/report/Lock/opened", {"basic": basic})
say("raised", basic["UUID"])
seq, asked = device.order("model/service/operate/Lock/open")
device.publish("model/service/operate_reply/Lock/open", {"code": 0, "data": {"for": asked.get("data")}}, seq)
say("operated", json.dumps(asked.get("data")))
seq, asked = device.order("model/attribute/set/Lock/isLocked")
device.publish("model/attribute/set_reply/Lock/isLocked", {"code": 0}, seq)
say("set", json.dumps(asked["data"]["Value"]))
device.client.disconnect()
device.client.loop_stop()
say("all right")
