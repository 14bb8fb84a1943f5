"""Writes all vector files, or with --check compares them with what is on disk.

python3 conformance/oracle/make.py                     write
python3 conformance/oracle/make.py --check             compare, exit 1 on any difference
python3 conformance/oracle/make.py keys osap.envelope  write only the files of these modules
"""

import importlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
VECTORS = os.path.join(HERE, os.pardir, "vectors")
OUT = os.path.join(VECTORS, "assure")
OSAP = os.path.join(VECTORS, "osap")
sys.path.insert(0, HERE)


def modules(folder, prefix):
    return sorted(prefix + name[2:-3] for name in os.listdir(folder) if name.startswith("v_") and name.endswith(".py"))


# (where the files go, which modules make them)
SETS = ((OUT, modules(HERE, "")), (OSAP, modules(os.path.join(HERE, "osap"), "osap.")))


def differences(out, files):
    """Names of files that are absent or unlike."""
    unlike = []
    for name, octets in files.items():
        path = os.path.join(out, name)
        if not os.path.exists(path) or open(path, "rb").read() != octets:
            unlike.append(name)
    return unlike


def build(names):
    files = {}
    for name in names:
        folder, _, last = name.rpartition(".")
        files.update(importlib.import_module((folder + "." if folder else "") + "v_" + last).build())
    return files


def check(out, names, is_whole):
    files = build(names)
    unlike = differences(out, files)
    if is_whole:
        unlike += sorted(set(os.listdir(out)) - set(files))
    for name in unlike:
        print("differs:", name)
    return len(files), len(unlike)


def second_opinion():
    """The OSAP vectors as they are on disk, worked out again by a program that shares no code with their maker."""
    verifier = importlib.import_module("osap.verifier")
    confirmed, wrong = verifier.verify(OSAP)
    for line in wrong:
        print("not confirmed:", line)
    print("%d values of vectors/osap worked out a second time, %d differ" % (confirmed, len(wrong)))
    return len(wrong)


def main(arguments):
    chosen = [a for a in arguments if a != "--check"]
    plans = [(out, [n for n in names if not chosen or n in chosen]) for out, names in SETS]
    if "--check" in arguments:
        counts = [check(out, names, not chosen) for out, names in plans if names]
        print("%d files compared, %d differ" % tuple(map(sum, zip(*counts))))
        failed = sum(unlike for _, unlike in counts) + (0 if chosen else second_opinion())
        return 1 if failed else 0
    for out, names in plans:
        os.makedirs(out, exist_ok=True)
        for name, octets in build(names).items():
            with open(os.path.join(out, name), "wb") as file:
                file.write(octets)
            print("%-26s %8d octets" % (name, len(octets)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
