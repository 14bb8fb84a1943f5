"""Checks of the OSAP part of the oracle; conformance/oracle/selfcheck.py runs them."""

import copy
import itertools
import json
import os
import random
import re

from cryptography.hazmat.primitives.asymmetric import ec

import make
from refusal import Refusal

from . import curve, envelope, h1, parties, policy, spake2plus, v_envelope, v_spake2plus, verifier, verifier_negotiation, verifier_session, world
from .words import expand, mac, sha, unframe

DOCS = os.path.join(make.HERE, os.pardir, os.pardir, "docs", "osap-secure.md")
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def files():
    found = {}
    for name in os.listdir(make.OSAP):
        with open(os.path.join(make.OSAP, name), encoding="ascii") as source:
            found[name] = json.load(source)
    return found


@check
def osap_rfc9383_p256():
    """RFC 9383 appendix C: the shares, Z, V and K_main, as printed there."""
    found = v_spake2plus.rfc()
    assert found["share_p"].hex().startswith("04ef3bd051bf78a2234ec0df197f7828060fe9856503579bb1733009042c15c0")
    assert found["share_v"].hex().startswith("04c0f65da0d11927bdf5d560c69e1d7d939a05b0e88291887d679fcadea75810")
    assert found["Z"].hex().startswith("04bbfce7dd7f277819c8da21544afb7964705569bdf12fb92aa388059408d50091")
    assert found["V"].hex().startswith("0458bf27c6bca011c9ce1930e8984a797a3419797b936629a5a937cf2f11c8b951")
    confirm = expand(mac(bytes(32), found["K_main"]), b"ConfirmationKeys", 64)
    assert confirm[:32].hex() == "871ae3f7b78445e34438fb284504240239031c39d80ac23eb5ab9be5ad6db58a"
    assert mac(confirm[:32], found["share_v"]).hex() == "926cc713504b9b4d76c9162ded04b5493e89109f6d89462cd33adc46fda27527"


@check
def osap_numbers_of_an_earlier_implementation():
    """A run of kind 2 made by another program before the group of the server entered H1-II: all below T2 is unchanged."""
    t2 = bytes.fromhex("7ffb6ab0f005e42c9bcab58bc157b3bb42fda949c8ca1966eebc62c1ae9770c4")
    z = bytes.fromhex("74f67d13e0f63d8cbcaf5cc8267ed4789fd2e96dd11a3c67627d55a90e6bd571")
    k_main = h1.main_from_psk(t2, b"TestLicense00000000001", z)
    assert k_main.hex() == "07a32c88989d858ca2e4e60e1dbd2c903ff9e6b25c1ad3a0883ef31c6b50d170"
    schedule = h1.Schedule(k_main, t2)
    keys = schedule.finish()
    assert schedule.mac_s.hex() == "bf9abd77c18e4d8dc41cac7a4f832942087be42915687247db77d9f7af73b1a9"
    assert schedule.t3.hex() == "65b779647d2357ced09163048fcbba115d4bb14d7dcbc3c91bdf66fa07a5f646"
    assert keys["das"].hex() == "f5be98b52b4748964eedfd9afa65cbfc9905afeef0614e3aae57e2c9efa52663"
    assert h1.seal_record(keys, 0x72, 0, b"").hex() == "721b0110000000000000000000f1eea6d2db7d3905f2e49710f27f7260"


@check
def osap_curve_agrees_with_a_library():
    chance = random.Random(1)
    for _ in range(20):
        number = chance.randrange(1, curve.N)
        numbers = ec.derive_private_key(number, ec.SECP256R1()).public_key().public_numbers()
        assert curve.multiply(number, curve.G) == (numbers.x, numbers.y)
    assert curve.multiply(curve.N, curve.G) is None and curve.add(curve.G, curve.negate(curve.G)) is None
    assert curve.on_curve(spake2plus.M) and curve.on_curve(spake2plus.N)


@check
def osap_the_second_opinion_has_teeth():
    """Every octet string of handshake.json and every verdict of the others, changed, is noticed."""
    found, missed = files(), []
    for row in found["handshake.json"]["vectors"][2:6]:
        for path, changed in changes({k: v for k, v in row.items() if k not in ("name", "accept", "inputs")}):
            book = verifier.Book()
            verifier.handshake(book, {**row, **changed})
            missed += [] if book.wrong else [(row["name"], path)]
    runs = {row["name"]: row for row in found["handshake.json"]["vectors"]}
    for name, judge in (("records.json", lambda b, r: verifier_session.records(b, r, runs)), ("das_ticket.json", verifier_session.tickets),
                        ("connect.json", verifier_session.connects), ("envelope.json", verifier_session.envelopes)):
        for row in found[name]["vectors"]:
            other = copy.deepcopy(row)
            other["accept"] = not row["accept"]
            for step in other.get("steps", []):
                step["told"], step["connack"] = "?", 99
            for part in ("payload", "plain", "bytes"):
                if row.get("kind") == "seal" and part in other:
                    other[part] = flipped(other[part])
            for link in other.get("chain", []):
                link["iv"] = flipped(link["iv"])
            book = verifier.Book()
            judge(book, [other])
            missed += [] if book.wrong else [(name, row["name"])]
    for row in found["negotiation.json"]["vectors"]:
        other = {**row, "accept": not row["accept"], "reason": "?", "then": 99, "taken_as": "?", "min_type_after": 99}
        book = verifier.Book()
        verifier_negotiation.negotiation(book, [other])
        missed += [] if book.wrong else [("negotiation.json", row["name"])]
    assert not missed, missed[:10]


def flipped(text):
    return text[:-1] + "%x" % (int(text[-1], 16) ^ 1) if text else "00"


def changes(row):
    for name, value in row.items():
        if isinstance(value, str):
            yield name, {name: flipped(value)}
        elif isinstance(value, dict):
            for inner in value:
                yield name + "/" + inner, {name: {**value, inner: flipped(value[inner])}}


@check
def osap_no_key_and_nonce_twice():
    """TS-H11 over all accepted envelopes: equal (key, counter) only with equal octets."""
    seen = {}
    for row in files()["envelope.json"]["vectors"]:
        if row["kind"] == "seal":
            place = [bytes.fromhex(row[name]) for name in ("das_secret", "connection", "das_nonce") if name in row]
            maker = envelope.first_secret if len(place) == 3 else envelope.hello_secret
            secret = maker(place[0], row["direction"], *place[1:])
            key, _ = envelope.keys(envelope.secret_of(secret, row["phase"]))
            place = (key, row["ctr"])
            assert seen.setdefault(place, row["payload"]) == row["payload"], row["name"]
    secrets = [v_envelope.secret(way, v_envelope.connection(number, nonce)) for way in ("up", "down")
               for number in (1, 2) for nonce in (bytes(16), bytes([1] * 16))]
    chain = [envelope.keys(envelope.secret_of(secret, phase))[0] for secret in secrets for phase in range(4)]
    assert len(set(chain)) == len(chain)


@check
def osap_records_never_share_keys_between_ways():
    for row in files()["handshake.json"]["vectors"]:
        values = list(row["keys"].values())
        assert len(set(values)) == len(values)


@check
def osap_broken_first_messages_are_refused_and_nothing_else():
    """Six thousand changed H1-I and H1-II: a refusal or a run whose T2 the honest side does not have."""
    chance, lbs = random.Random(2), world.lbs()
    device = parties.Device(world.METER, 2, psk=world.FACTORY)
    raw = device.first(2, [2], 0, world.scalar("mutation/x"), world.chance("mutation/random d"))
    honest, _ = lbs.answer(raw, 5, bytes(32))
    for _ in range(3000):
        changed = mutated(chance, raw)
        try:
            _, _, reader = h1.read_i(changed)
            h1.read_payload(reader)
        except Refusal:
            pass
        answer = mutated(chance, honest)
        if answer != honest:
            try:
                device.second(answer)
                raise AssertionError(answer.hex())
            except Refusal:
                pass


def mutated(chance, raw):
    out = bytearray(raw)
    for _ in range(chance.choice((1, 1, 2, 5))):
        if not out:
            break
        way, place = chance.randrange(4), chance.randrange(len(out))
        if way == 0:
            out[place] ^= 1 << chance.randrange(8)
        elif way == 1:
            del out[place]
        elif way == 2:
            out.insert(place, chance.randrange(256))
        else:
            out = out[:place + 1]
    return bytes(out)


@check
def osap_choice_among_types_ends():
    """For every group and connection: a device that follows rematch answers runs a type or gives up after one of them."""
    for server in ((2,), (2, 4), (2, 4, 8), (4, 8)):
        for group in itertools.chain.from_iterable(itertools.combinations((1, 2, 4, 8), n) for n in range(1, 5)):
            asked, floor = max(group), 2
            if asked < floor:
                continue
            for _ in range(2):
                lbs = world.lbs(connection={2: "plain", 4: "tls", 8: "mutual"}[asked], group=server, certificate_serial=world.METER)
                raw = parties.Device(world.METER, 2, psk=world.FACTORY).first(asked, group, 0, 7, bytes(32))
                answer, run = lbs.answer(raw, 9, bytes(32))
                if run:
                    break
                try:
                    asked = policy.follow(asked, group, floor, answer)
                except Refusal:
                    break
            common = [kind for kind in server if kind in group]
            assert bool(run) == bool(common) and (not run or asked == max(common)), (server, group, asked)


@check
def osap_limits_hold_the_longest_messages():
    for row in files()["handshake.json"]["vectors"]:
        for name, limit in (("h1_i", 256), ("h1_ii", 256), ("h1_iii", 128)):
            unframe(bytes.fromhex(row[name]), limit)
    longest = h1.h1_i(8, range(1, 15), b"S" * 71, 3, 0, bytes(32), bytes(65), bytes(32))
    assert len(unframe(longest, 256)[2]) == 16 + 3 + 2 + 71 + 3 + 32 + 65 + 32


@check
def osap_fakes_are_stable_and_mixed():
    kdfs = [parties.Fake(world.SECRET, b"T%08d" % number).kdf for number in range(12)]
    assert kdfs == [parties.Fake(world.SECRET, b"T%08d" % number).kdf for number in range(12)] and set(kdfs) == {1, 2}
    assert sha(b"") != parties.Fake(world.SECRET, b"T1").psk


@check
def osap_the_page_cites_vectors_that_exist():
    """`file: name` in italics in docs/osap-secure.md."""
    found = files()
    with open(DOCS, encoding="utf-8") as source:
        cited = re.findall(r"\*([a-z_0-9]+): ([^*]+)\*", " ".join(source.read().split()))
    names = {stem[:-5]: {row["name"] for row in document["vectors"]} for stem, document in found.items()}
    missing = ["%s: %s" % pair for pair in cited if pair[1] not in names.get(pair[0], ())]
    assert len(cited) > 40 and not missing, missing or "nothing is cited"
