"""Recompute every constant of runtime/azmath.h with mpmath, as C hex literals.

Each polynomial interpolates its function at Chebyshev nodes (near minimax: the
largest error is within a factor of about two of the best of that degree) at 60
digits, then each coefficient is rounded to the nearest double.  The printed
"bits" is -log2 of the error that the polynomial adds to the result it goes into,
relative to that result, coefficient rounding included and evaluation rounding not.

Run: python benchmarks/azmath_coefficients.py
"""

import struct
from collections.abc import Callable

from mpmath import mp, mpf

mp.dps = 60

Func = Callable[[mpf], mpf]


def chebyshev_fit(func: Func, lo: mpf, hi: mpf, degree: int) -> list[float]:
    """Coefficients, lowest power first, of the interpolant at Chebyshev nodes."""
    n = degree + 1
    nodes = [
        (lo + hi) / 2 + (hi - lo) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * n)) for i in range(n)
    ]
    rows = mp.matrix(n, n)
    rhs = mp.matrix(n, 1)
    for i, x in enumerate(nodes):
        rhs[i] = func(x)
        for j in range(n):
            rows[i, j] = x**j
    return [float(c) for c in mp.lu_solve(rows, rhs)]


def bits_of(error: mpf) -> float:
    """-log2 of a relative error."""
    return float(-mp.log(error, 2))


def report(name: str, func: Func, lo: mpf, hi: mpf, degree: int, weight: Func) -> None:
    """Fit, print the coefficients and the weighted error of the rounded polynomial."""
    coeffs = chebyshev_fit(func, lo, hi, degree)
    worst = mpf(0)
    for i in range(1, 400):
        x = lo + (hi - lo) * i / 400
        value = mpf(0)
        for c in reversed(coeffs):
            value = value * x + c
        worst = max(worst, abs((value - func(x)) * weight(x)))
    print(f"static const double az__{name}[{degree + 1}] = {{ /* {bits_of(worst):.1f} bits */")
    for i in range(0, degree + 1, 4):
        print("    " + ", ".join(c.hex() for c in coeffs[i : i + 4]) + ",")
    print("};")


def report_odd(name: str, func: Func, lead: int, top: mpf, degree: int) -> None:
    """The polynomial P(z) for which func(s) = lead s + s z P(z), z = s^2 <= top."""

    def tail(z: mpf) -> mpf:
        s = mp.sqrt(z)
        return (func(s) / s - lead) / z

    def weight(z: mpf) -> mpf:
        return z * mp.sqrt(z) / func(mp.sqrt(z))

    report(name, tail, mpf(10) ** -30, top, degree, weight)


def parts(value: mpf, bits: list[int]) -> list[float]:
    """Split value into doubles of the given bit counts (0: round the rest to double)."""
    out = []
    for width in bits:
        if width == 0:
            part = mpf(float(value))
        else:
            scale = mpf(2) ** (width - 1 - int(mp.floor(mp.log(abs(value), 2))))
            part = mp.floor(value * scale) / scale
        out.append(float(part))
        value -= part
    return out


def two_over_pi_words(count: int) -> list[int]:
    """64 zero bits, then the bits of 2/pi, as 64-bit words from the top."""
    with mp.workprec(64 * count + 64):
        bits = int(mp.floor(2 / mp.pi * mpf(2) ** (64 * (count - 1))))
    return [(bits >> (64 * (count - 1 - i))) & (2**64 - 1) for i in range(count)]


def main() -> None:
    """Print everything."""
    ln2 = mp.log(2)

    def e_func(r: mpf) -> mpf:
        if abs(r) < mpf("1e-15"):
            return mpf(1) / 2 + r / 6
        return (mp.expm1(r) - r) / r**2

    half = ln2 / 2 * 1.0001
    report("exp", e_func, -half, half, 10, lambda r: r**2 / mp.exp(r))
    for name, of_root, lead, top, degree in (
        ("log", lambda s: 2 * mp.atanh(s), 2, ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2, 6),
        ("sin", mp.sin, 1, (mp.pi / 4) ** 2, 6),
        ("asin", mp.asin, 1, mpf(1) / 4, 12),
        ("atan", mp.atan, 1, (mp.sqrt(2) - 1) ** 2, 11),
    ):
        report_odd(name, of_root, lead, top, degree)
    report(
        "cos",
        lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2,
        mpf(10) ** -30,
        (mp.pi / 4) ** 2,
        5,
        lambda z: z**2 / mp.cos(mp.sqrt(z)),
    )

    for name, value, bits in (
        ("ln2", ln2, [42, 0]),
        ("pi/2", mp.pi / 2, [33, 33, 33, 0]),
        ("pi/2", mp.pi / 2, [0, 0]),
        ("pi/4", mp.pi / 4, [0, 0]),
        ("pi", mp.pi, [0, 0]),
        ("log2(e)", 1 / ln2, [0]),
        ("2/pi", 2 / mp.pi, [0]),
        ("sqrt(2)-1", mp.sqrt(2) - 1, [0]),
        ("sqrt(2)+1", mp.sqrt(2) + 1, [0]),
    ):
        print(f"{name}: " + ", ".join(p.hex() for p in parts(value, bits)))
    root_bits = struct.unpack("<Q", struct.pack("<d", 0.5**0.5))[0]
    print(f"bits of sqrt(1/2): 0x{root_bits:016x}u")
    words = [f"0x{w:016x}u" for w in two_over_pi_words(20)]
    for i in range(0, 20, 4):
        print("    " + ", ".join(words[i : i + 4]) + ",")


if __name__ == "__main__":
    main()
