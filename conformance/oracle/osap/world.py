"""The parties of the vectors. Everything here is published and protects nothing."""

import functools

import ecc
import labels

from . import curve, spake2plus
from .parties import Device, Lbs, Record, spki
from .words import sha

REALM = b"lbs.example"
SECRET = labels.octets("osap/server-secret", 32)
LBS_KEY = ecc.PrivateKey.from_label(ecc.P256, "osap/lbs-key")
OTHER_KEY = ecc.PrivateKey.from_label(ecc.P256, "osap/other-server-key")
DEVICE_KEY = ecc.PrivateKey.from_label(ecc.P256, "osap/device-key")
STOLEN_KEY = ecc.PrivateKey.from_label(ecc.P256, "osap/key-of-another-device")
CODE = b"H7KQ2MWX4TRA"
CAMERA, LOCK, RADAR, METER = b"T12345678", b"T23456789", b"PRODUCTKEY00000000001:DEV0001", b"E00000042"
UNKNOWN = b"T99999999"
LICENCE, FACTORY = b"TestLicense00000000001", labels.octets("osap/factory-key", 32)
TICKET_ID, RESUME = labels.octets("osap/ticket-id", 16), labels.octets("osap/resumption-secret", 32)
EXPORTER, OTHER_EXPORTER = labels.octets("osap/exporter", 32), labels.octets("osap/exporter/other", 32)


@functools.lru_cache(maxsize=None)
def registration(kdf, serial, realm=REALM, code=CODE):
    """(salt, w0s || w1s, w0, w1, L)."""
    salt, stretched = spake2plus.stretch(kdf, code, serial, realm)
    w0, w1 = spake2plus.reduce(stretched)
    return salt, stretched, w0, w1, spake2plus.record(w1)


def records(**change):
    """The Lbs' records; `change` alters the camera's."""
    found = {}
    for serial, kdf in ((CAMERA, 1), (LOCK, 2)):
        _, _, w0, _, point_l = registration(kdf, serial)
        found[serial] = Record(serial, {1}, w0=w0, point_l=point_l, kdf=kdf)
    found[CAMERA].ticket = {"id": TICKET_ID, "secret": RESUME, "end": 1000}
    found[CAMERA].__dict__.update(change)
    found[RADAR] = Record(RADAR, {2, 4}, psk=LICENCE)
    found[METER] = Record(METER, {2, 3, 4}, psk=FACTORY, device_point=DEVICE_KEY.point)
    return found


def lbs(connection="plain", exporter=b"", **fields):
    held = fields.pop("records", None) or records()
    return Lbs(held, SECRET, REALM, fields.pop("key", LBS_KEY), connection=connection, exporter=exporter, **fields)


def code_device(serial=CAMERA, kdf=1, **other):
    _, _, w0, w1, _ = registration(kdf, serial)
    return Device(serial, 1, REALM, w0=w0, w1=w1, **other)


def scalar(label):
    return labels.scalar("osap/" + label, curve.N)


def chance(label):
    return labels.octets("osap/" + label, 32)


def key_id(key):
    return sha(spki(key.point))
