"""Writes all vector files, or with --check compares them with what is on disk.

python3 conformance/oracle/make.py            write
python3 conformance/oracle/make.py --check    compare, exit 1 on any difference
python3 conformance/oracle/make.py keys cms   write only the files of these modules
"""

import importlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, os.pardir, "vectors", "assure")
sys.path.insert(0, HERE)
MODULES = sorted(name[2:-3] for name in os.listdir(HERE)
                 if name.startswith("v_") and name.endswith(".py"))


def differences(files):
    """Names of files that are absent or unlike."""
    unlike = []
    for name, octets in files.items():
        path = os.path.join(OUT, name)
        if not os.path.exists(path) or open(path, "rb").read() != octets:
            unlike.append(name)
    return unlike


def main(arguments):
    check = "--check" in arguments
    chosen = [a for a in arguments if a != "--check"] or MODULES
    files = {}
    for name in chosen:
        files.update(importlib.import_module("v_" + name).build())
    if check:
        unlike = differences(files)
        if len(chosen) == len(MODULES):
            unlike += sorted(set(os.listdir(OUT)) - set(files))
        for name in unlike:
            print("differs:", name)
        print("%d files compared, %d differ" % (len(files), len(unlike)))
        return 1 if unlike else 0
    os.makedirs(OUT, exist_ok=True)
    for name, octets in files.items():
        with open(os.path.join(OUT, name), "wb") as out:
            out.write(octets)
        print("%-26s %8d octets" % (name, len(octets)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
