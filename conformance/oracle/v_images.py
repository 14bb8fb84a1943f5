"""image_ss.json, image_ec.json, image_ec384.json, image_rsa.json: whole bootstrap images.

The shared cases run in four worlds; what only one kind of device knows is added here.
"""

import hashlib

import cbor
import cms
import image
import keys
import labels
import payload
import people
import symmetric
import worlds
from authkeys import MANAGEMENT
from image_cases import Cases, appended, common
from vectors import file_octets

ABOUT = ("Bootstrap images (15.5) for one %s device. 'record' is what the device remembers, 'now' trusted time "
         "or null, 'session' the bootstrap server of this session; accepted images give the staged keys, the "
         "new record and the payload. 'stage': payload marks a refusal after commit 1. "
         "Layouts 2.6 to 2.9, G 10, G 13, G 15 to G 19, G 36; ownership-security.md.")


def _sized(world, size):
    """An image whose octets number exactly `size`, by one application message (SS only)."""
    def build(filler):
        messages = world.messages(world.owner_a)
        messages.append(payload.message(2, "/v1/app/data", cbor.encode(b"\x00" * filler)))
        return world.image(plaintext=payload.encode(messages))
    filler = size - 2000
    return build(filler + size - len(build(filler)))


def shared(world):
    cases = common(world)
    a, b, w = world.owner_a, world.owner_b, world.owner_w
    cases.add("size 65536", _sized(world, 65536))
    cases.add("size 65537", _sized(world, 65537), "image-too-large")
    cases.add("K_n derived from W (H6)", world.image(w))
    cases.add("K_n derived from W, W absent", world.image(
        w, keys=[world.t_key, world.bootstrap_key, w.key_octets]), "reference-unknown")
    cases.add("owner data by W (G 10)", world.image(w, owner=world.owner_data(w, 1, world.w)), "owner-signer")
    for suite in range(9):
        plaintext = payload.encode(world.messages(a))
        cases.add("payload in suite %d" % suite, world.image(
            encrypted=world.encrypt(a, 1, plaintext, "suite%d" % suite, suite)))
    plain = payload.encode(world.messages(a))
    lifted = world.encrypt(a, 1, plain, "lifted")
    cases.add("payload of another owner", world.image(b, 2, encrypted=lifted), "payload-decryption")
    cases.add("decryption key T", world.image(decryption_key_id=world.t.key_id), "decryption-key")
    cases.add("decryption key the device's own", world.image(decryption_key_id=world.uuid), "decryption-key")
    _weak_derivations(cases, world)
    return cases.rows


def _weak_derivations(cases, world):
    """OS-M2, OS-M3 inside a header key that is used."""
    a = world.owner_a
    salt = labels.octets("ss/weak", 16)
    secret = a.party.secret
    root_salt = worlds.ROOT_SALT + world.uuid
    to_root = symmetric.xor(symmetric.pbkdf2(world.secret.secret, salt, 1000, 32), world.root.secret)
    rows = [
        ("salt of 15 octets", keys.from_secret(world.uuid, world.secret.secret, secret, salt[:15]), "salt-length"),
        ("27-octet root salt and zeros (M2)", [world.uuid, root_salt, 1000, b"\x00" * 32], "salt-length"),
        ("output is K_root (M2)", [world.uuid, salt, 1000, to_root], "output-is-root"),
        ("encrypted secret of 15 octets", [world.uuid, salt, 1000, b"\x00" * 15], "encrypted-secret-length"),
        ("encrypted secret of 65 octets", [world.uuid, salt, 1000, b"\x00" * 65], "encrypted-secret-length"),
        ("no rounds", [world.uuid, salt, 0, b"\x00" * 32], "rounds-zero"),
        ("100001 rounds", [world.uuid, salt, 100001, b"\x00" * 32], "rounds-too-many"),
    ]
    for name, way, code in rows:
        # the image is signed and sealed with what the derivation gives: only the rule refuses it
        definition = keys.derived(a.party.key_id, [way])
        party = people.Secret(a.party.label, a.party.key_id)
        pad = symmetric.pbkdf2(world.secret.secret, way[1], max(way[2], 1), len(way[3]))
        party.secret = symmetric.xor(pad, way[3])
        weak = worlds.Owner(party, definition, world.sign(MANAGEMENT, definition, world.t))
        cases.add("K_n: " + name, world.image(weak, keys=world.header(a)[:2] + [weak.key_octets]), code)
    definition = keys.derived(a.party.key_id, [keys.from_secret(
        world.uuid, world.secret.secret, secret, salt, 100000)])
    slow = worlds.Owner(a.party, definition, world.sign(MANAGEMENT, definition, world.t))
    cases.add("K_n: 100000 rounds", world.image(slow, keys=world.header(a)[:2] + [slow.key_octets]))


def public(world):
    cases = common(world)
    a, b = world.owner_a, world.owner_b
    plain = payload.encode(world.messages(a))
    for name, tie in (
            ("binding absent", None), ("binding of another owner", image.binding(world.uuid, b.party.key_id, 1)),
            ("binding of another sequence", image.binding(world.uuid, a.party.key_id, 2)),
            ("binding of another device", image.binding(labels.uuid("other"), a.party.key_id, 1)),
            ("sequence little-endian in the binding", _little(world, a)),
            ("binding cut", image.binding(world.uuid, a.party.key_id, 1)[:16])):
        encrypted = world.encrypt(a, 1, plain, "m1/" + name, tie)
        cases.add("M1: " + name, world.image(encrypted=encrypted), "cms-binding")
    lifted = world.encrypt(b, 1, payload.encode(world.messages(b)), "lifted")
    cases.add("M1: payload lifted from B's image into A's", world.image(sequence=2, encrypted=lifted), "cms-binding")
    cases.add("decryption key the owner's", world.image(decryption_key_id=a.party.key_id), "decryption-key")
    key = world.device_party.key
    stranger = people.rsa_party("rsa/elsewhere") if key.kind == "rsa" else (
        people.ec(world.name + "/elsewhere", key.curve))
    tie = image.binding(world.uuid, a.party.key_id, 1)
    cases.add("payload for another device", world.image(encrypted=cms.envelope(
        stranger.key, world.uuid, plain, world.name + "/elsewhere", tie)), "cms-unwrap")
    cases.add("payload in the clear", world.image(encrypted=plain), "cms-der")
    if world.name == "ec":
        big = payload.encode([payload.message(0, "/v1/app/data", cbor.encode(b"\x00" * 66000))])
        cases.add("larger than 65536", world.image(plaintext=big), "image-too-large")
    return cases.rows


def _little(world, who):
    return hashlib.sha256(world.uuid + who.party.key_id + (1).to_bytes(4, "little")).digest()


def build():
    shared_world = worlds.SharedWorld("ss")
    files = {"image_ss.json": file_octets(ABOUT % "shared-secret", shared(shared_world),
                                          world=shared_world.shown())}
    for name, kind, world in (("ec", "P-256", worlds.ec_world()), ("ec384", "P-384", worlds.ec384_world()),
                              ("rsa", "RSA-2048", worlds.rsa_world())):
        rows = public(world)
        if name == "rsa":
            cases = Cases(world)
            foreign = worlds.ec_world()
            cases.add("M6: a key of the EC chain", appended(world, foreign.online_key), "unknown-signer")
            rows += cases.rows
        files["image_%s.json" % name] = file_octets(ABOUT % kind, rows, world=world.shown())
    return files
