"""Checks the oracle itself: published values, other implementations, sizes of the layouts.

python3 conformance/oracle/selfcheck.py
Needs the `openssl` program for the CMS part; without it that part says so and fails.
"""

import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF

import cbor
import cms
import ecc
import keys
import labels
import make
import people
import rsa
import symmetric
from osap import checks as osap_checks

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def vectors(name):
    with open(os.path.join(make.OUT, name)) as source:
        return json.load(source)["vectors"]


def openssl(*arguments, data=None):
    """Standard output; an error when openssl refuses."""
    return subprocess.run(("openssl",) + arguments, input=data, check=True, capture_output=True).stdout


@check
def rfc6979_signatures():
    """RFC 6979 A.2.5, A.2.6, A.2.7: message "sample"."""
    table = (
        (ecc.P256, "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
         "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"),
        (ecc.P384, "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D8"
                   "96D5724E4C70A825F872C9EA60D2EDF5",
         "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C"
         "81A648152E44ACF96E36DD1E80FABE46"),
        (ecc.P521, "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75CAA896EB32F1F47C"
                   "70855836A6D16FCC1466F6D8FBEC67DB89EC0C08B0E996B83538",
         "00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450"
         "606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA"),
    )
    for curve, scalar, r in table:
        assert ecc.PrivateKey(curve, int(scalar, 16)).sign(b"sample")[0] == int(r, 16), curve.name


@check
def rfc7914_pbkdf2():
    """RFC 7914 section 11, first 32 octets."""
    expected = "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
    assert symmetric.pbkdf2(b"passwd", b"salt", 1, 32).hex() == expected


@check
def kdf_equals_library():
    for digest, algorithm in (("sha256", hashes.SHA256()), ("sha512", hashes.SHA512())):
        for size in (16, 96, 200):
            ours = symmetric.x963_kdf(digest, b"z" * 66, b"info", size)
            assert ours == X963KDF(algorithm, size, b"info").derive(b"z" * 66)


@check
def rsa_keys_load_and_agree():
    """Our PKCS#8 loads elsewhere; v1.5 and OAEP agree with the library in both directions."""
    for bits in (2048, 3072):
        key = rsa.PrivateKey.from_label(bits, "selfcheck")
        assert key.n.bit_length() == bits
        loaded = serialization.load_der_private_key(keys.pkcs8(key), None)
        openssl("pkey", "-inform", "DER", "-check", "-noout", data=keys.pkcs8(key))
        loaded.public_key().verify(key.sign(b"m", "sha384"), b"m", padding.PKCS1v15(), hashes.SHA384())
        scheme = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"label")
        assert loaded.decrypt(rsa.oaep_encrypt(key.n, b"m", "x", b"label"), scheme) == b"m"
        assert rsa.oaep_decrypt(key, loaded.public_key().encrypt(b"m", scheme), b"label") == b"m"
        assert keys.spki(key) == loaded.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


@check
def ec_encodings_equal_library():
    for curve, size in ((ecc.P256, 91), (ecc.P384, 120), (ecc.P521, 158)):
        key = ecc.PrivateKey.from_label(curve, "selfcheck")
        loaded = serialization.load_der_private_key(keys.pkcs8(key), None)
        spki = loaded.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        assert keys.spki(key) == spki and len(spki) == size
        again = openssl("pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-outform", "DER", data=keys.pkcs8(key))
        assert again == keys.pkcs8(key), curve.name


@check
def accepted_public_key_signatures_verify_elsewhere():
    digests = {0: hashes.SHA256(), 1: hashes.SHA384(), 2: hashes.SHA512(),
               8: hashes.SHA256(), 9: hashes.SHA384(), 10: hashes.SHA512()}
    seen = set()
    for row in vectors("signatures.json"):
        if not row["accept"] or row["format"] > 10:
            continue
        definition = keys.parse_octets(bytes.fromhex(row["signer"]["definition"]))
        public = serialization.load_der_public_key(definition.public_octets)

        values = [v.value for v in cbor.decode(bytes.fromhex(row["signature"])).value[5:]]
        tbs, digest = bytes.fromhex(row["tbs"]), digests[row["format"]]
        if row["format"] <= 2:
            r, s = (int.from_bytes(v, "big") for v in values)
            public.verify(encode_dss_signature(r, s), tbs, ec.ECDSA(digest))
        else:
            public.verify(values[0], tbs, padding.PKCS1v15(), digest)
        seen.add(row["format"])
    assert seen == set(digests)


@check
def openssl_opens_every_accepted_envelope():
    """With and without ukm or label: the program reads both from the envelope itself."""
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        for row in vectors("cms.json"):
            if not row["accept"]:
                continue
            key = os.path.join(folder, "key.pem")
            with open(key, "wb") as out:
                out.write(openssl("pkey", "-inform", "DER", data=bytes.fromhex(row["recipient"]["private_key"])))
            opened = openssl("cms", "-decrypt", "-inform", "DER", "-inkey", key, data=bytes.fromhex(row["bytes"]))
            assert opened.hex() == row["plaintext"], row["name"]
            count += 1
    assert count >= 20


@check
def oracle_opens_what_openssl_makes():
    """The commands that make derivations and RSA envelopes with the program."""
    with tempfile.TemporaryDirectory() as folder:
        def path(name):
            return os.path.join(folder, name)

        for kind, key, options in (
                ("ec", ecc.PrivateKey.from_label(ecc.P256, "selfcheck"), ["ecdh_kdf_md:sha256"]),
                ("rsa", rsa.PrivateKey.from_label(2048, "selfcheck"), [
                    "rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"])):
            with open(path("key.pem"), "wb") as out:
                out.write(openssl("pkey", "-inform", "DER", data=keys.pkcs8(key)))
            openssl("req", "-x509", "-key", path("key.pem"), "-subj", "/CN=t", "-out", path("crt.pem"))
            for binding in (None,) if kind == "ec" else (None, b"\xaa" * 32):
                chosen = options + (["rsa_oaep_label:" + binding.hex()] if binding else [])
                flags = [part for option in chosen for part in ("-keyopt", option)]
                made = openssl("cms", "-encrypt", "-binary", "-aes128", "-keyid", "-outform", "DER", "-recip",
                               path("crt.pem"), *flags, data=b"secret" * 5)
                assert cms.open_envelope(made, key, binding) == b"secret" * 5, kind


@check
def sizes_of_the_layouts():
    one, ref = people.Secret("selfcheck"), people.Secret("selfcheck-ref")
    assert len(one.define(one.derived_from(ref))) == 92
    lengths = {row["name"]: len(bytes.fromhex(row["bytes"])) for row in vectors("label.json") if "bytes" in row}
    assert lengths["label first"] == 36
    hints = {row["name"]: row["length"] for row in vectors("hint.json") if row["kind"] == "hint" and row["accept"]}
    assert [hints["hint: " + n] for n in ("single definition", "list of 2", "list of 3")] == [124, 248, 372]
    for row in vectors("owner.json"):
        if row["accept"]:
            assert len(bytes.fromhex(row["prefix"])) == 69
    for row in vectors("signatures.json"):
        if row["name"] == "format 0":
            assert len(bytes.fromhex(row["signature"])) == 94
    assert labels.uuid("x")[6] >> 4 == 4


def main():
    failed = 0
    for function in CHECKS + osap_checks.CHECKS:
        try:
            function()
            print("ok    ", function.__name__)
        except Exception as error:  # a self-check reports every failure and goes on
            failed += 1
            print("FAILED", function.__name__, repr(error)[:300])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
