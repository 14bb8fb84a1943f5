"""Type 1, as deployed devices speak it: keys, messages, and why it protects nothing."""

import hashlib
import hmac

import ecc
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from refusal import Refusal, require
from symmetric import cbc_decrypt, cbc_encrypt, pad

from .words import frame

SALT = b"www.88075998.com"
IV, NONCE = b"01234567" + bytes(8), b"012345" + bytes(6)


def _md5_hex(data, upper=True):
    digest = hashlib.md5(data).hexdigest()
    return (digest.upper() if upper else digest).encode()


def share_key(code, serial, upper=True):
    """Every step; only the first changes case in the second try of a device."""
    h1 = _md5_hex(code + serial, upper)
    h2 = _md5_hex(h1 + SALT)
    h3 = _md5_hex(h2)
    dk = hashlib.pbkdf2_hmac("sha256", h3, SALT, 3, 32)
    text = dk.hex().upper().encode()[10:42]
    return {"h1": h1, "h2": h2, "h3": h3, "dk": dk, "share_key": text, "aes_key": text[:16]}


def master_key(z):
    return hashlib.md5(z).digest()[:8].hex().upper().encode()


def proof(master, serial):
    return hmac.new(master, hashlib.sha384(serial).digest(), hashlib.sha384).digest()


def exchange(scalar, point):
    return ecc.PrivateKey(ecc.P384, scalar).exchange(point)


def seal(key, plain):
    """tag || ciphertext, under the one nonce."""
    sealed = AESGCM(key).encrypt(NONCE, plain, None)
    return sealed[-16:] + sealed[:-16]


def unseal(key, sealed):
    try:
        return AESGCM(key).decrypt(NONCE, sealed[16:] + sealed[:16], None)
    except InvalidTag:
        raise Refusal("not-proven") from None


def cbc(key, plain):
    return cbc_encrypt(key, IV, pad(plain))


def uncbc(key, data):
    return cbc_decrypt(key, IV, data, "decryption")


def auth_i(serial, key, point, group=(1,), mode=0):
    body = bytes([1, len(group)]) + bytes(group) + b"\x01\x02\x00" + bytes([mode, len(serial)]) + serial
    return frame(0x1A, body + seal(key, point))


def auth_ii(key, point):
    return frame(0x2A, b"\x01\x01\x02\x00\x00" + seal(key, point))


def auth_i_second_generation(serial, key, point, mode=0):
    return frame(0x12, b"\x01\x02\x00" + bytes([mode, len(serial)]) + serial + cbc(key, point))


def auth_ii_second_generation(key, point):
    return frame(0x22, b"\x01\x02\x00\x00" + cbc(key, point))


def apply_request(sign):
    return frame(0x72, b"\x01\x01\x00" + sign)


def refresh_request(devid, sign):
    return frame(0x42, b"\x01\x01\x00\x20" + devid + sign)


def session_answer(byte0, master, devid, session, sign):
    """RSP_DEVID (82) and REFRESH_SK_RSP (62)."""
    return frame(byte0, b"\x01\x01\x00\x00" + _sealed(master, devid) + _sealed(master, session) + sign)


def _sealed(key, plain):
    octets = seal(key, plain)
    return octets[:16] + bytes([len(plain)]) + octets[16:]


def session_answer_second_generation(byte0, master, devid, session, sign):
    a, b = cbc(master, devid), cbc(master, session)
    return frame(byte0, b"\x01\x01\x00\x00" + bytes([len(a)]) + a + bytes([len(b)]) + b + sign)


def refresh_i(serial, devid, master, random_1):
    body = b"\x01\x01\x00" + bytes([len(serial)]) + serial + b"\x20" + devid + cbc(master, random_1)
    return frame(0x70, body)


def refresh_ii(master, random_1, random_2, session):
    return frame(0x80, b"\x01\x01\x00\x00" + cbc(master, random_1 + random_2 + session))


def refresh_iii(master, random_2):
    return frame(0x90, b"\x01\x01\x00" + cbc(master, random_2))


def ask(session, json):
    return frame(0xA0, b"\x01\x01\x00" + cbc(session, json))


def told(session, json):
    return frame(0xB0, b"\x01\x01\x00\x00" + cbc(session, json))


def failure(byte0, result, header=b""):
    version = b"\x01\x02\x00" if byte0 >> 4 == 2 else b"\x01\x01\x00"
    return frame(byte0, header + version + bytes([result]))


def session_from_the_wire(request_42, answer_62):
    """What a listener without any secret learns: the session key (one nonce for two plaintexts)."""
    require(request_42[0] == 0x42 and answer_62[0] >> 4 == 6, "not-a-refresh")
    devid = request_42[6:22]
    body = answer_62[3:]
    ct1, ct2 = body[4 + 17:4 + 17 + 16], body[4 + 17 + 32 + 17:4 + 17 + 32 + 17 + 16]
    return bytes(a ^ b ^ c for a, b, c in zip(devid, ct1, ct2))
