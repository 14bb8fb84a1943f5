"""What a device makes of answers: rematch, floor, type 1. docs/osap-secure.md sections 3 and 9."""

import json

from refusal import require

from . import h1
from .words import NO_COMMON, unframe


def follow(asked, group, min_type, raw_ii):
    """The type of the next connection after a mismatch answer."""
    _, _, body = unframe(raw_ii, 256)
    reader = h1.Reader(body)
    told, count = reader.byte(), reader.byte()
    reader.take(count)
    require(reader.take(3) == NO_COMMON and reader.byte() == 20, "not-followed")
    require(told in group and told >= max(min_type, 2) and told != asked, "not-followed")
    return told


def floor_after(ran, group, srv_group, min_type):
    """The stored min_type after record B."""
    best = max(kind for kind in (2, 4, 8) if kind == ran or (kind in group and kind in srv_group))
    return max(min_type, best) if best > ran else min_type


def end_of_type_1(group, told):
    """Refuses with `downgrade` when the last message of type 1 shows that more was possible."""
    members = json.loads(told)
    common = [kind for kind in members.get("SrvGroup", []) if kind in group and kind > 1]
    require(not common, "downgrade")
    require(members.get("DevGroup", list(group)) == list(group), "downgrade")


def may_send_type_1(min_type, seen_h1, hold):
    require(min_type == 1 and not seen_h1 and not hold, "downgrade")
