"""P-256 by plain arithmetic: SPAKE2+ needs sums of points, which the `cryptography` package does not give."""

from refusal import require

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)
INFINITY = None


def on_curve(point):
    x, y = point
    return (y * y - (x * x * x - 3 * x + B)) % P == 0


def _double(x, y, z):
    """Jacobian doubling for a = -3."""
    if not y:
        return 0, 1, 0
    delta, gamma = z * z % P, y * y % P
    beta = x * gamma % P
    alpha = 3 * (x - delta) * (x + delta) % P
    x3 = (alpha * alpha - 8 * beta) % P
    z3 = ((y + z) ** 2 - gamma - delta) % P
    return x3, (alpha * (4 * beta - x3) - 8 * gamma * gamma) % P, z3


def _add(a, b):
    """Jacobian addition; either may be infinity (z = 0)."""
    if not a[2]:
        return b
    if not b[2]:
        return a
    za, zb = a[2] * a[2] % P, b[2] * b[2] % P
    ua, ub = a[0] * zb % P, b[0] * za % P
    sa, sb = a[1] * zb * b[2] % P, b[1] * za * a[2] % P
    if ua == ub:
        return _double(*a) if sa == sb else (0, 1, 0)
    h, r = (ub - ua) % P, (sb - sa) % P
    hh = h * h % P
    hhh, v = h * hh % P, ua * hh % P
    x3 = (r * r - hhh - 2 * v) % P
    return x3, (r * (v - x3) - sa * hhh) % P, h * a[2] * b[2] % P


def _affine(j):
    if not j[2]:
        return INFINITY
    inverse = pow(j[2], -1, P)
    square = inverse * inverse % P
    return j[0] * square % P, j[1] * square * inverse % P


def _jacobian(point):
    return (0, 1, 0) if point is INFINITY else (point[0], point[1], 1)


def add(a, b):
    return _affine(_add(_jacobian(a), _jacobian(b)))


def negate(point):
    return point if point is INFINITY else (point[0], -point[1] % P)


def multiply(k, point):
    total, base = (0, 1, 0), _jacobian(point)
    k %= N
    while k:
        if k & 1:
            total = _add(total, base)
        base = _double(*base)
        k >>= 1
    return _affine(total)


def encode(point):
    return b"\x04" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def decode(octets):
    """A checked point; refuses with bad-point (result 16)."""
    require(len(octets) == 65 and octets[0] == 4, "bad-point")
    point = int.from_bytes(octets[1:33], "big"), int.from_bytes(octets[33:], "big")
    require(point[0] < P and point[1] < P and on_curve(point), "bad-point")
    return point


def decompress(octets):
    x = int.from_bytes(octets[1:], "big")
    y = pow(x * x * x - 3 * x + B, (P + 1) // 4, P)
    return x, y if y & 1 == octets[0] & 1 else P - y
