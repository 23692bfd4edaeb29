"""Named, seeded streams of chance: the only source of randomness inside a core.

A stream is a counter-based generator: value number ``i`` of stream ``name`` of run ``seed`` is the
BLAKE2b of the three, so it never depends on what other streams drew or on the Python version.
Never use it for a secret.
"""

from hashlib import blake2b

SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Letters of generated name suffixes. Source: k8s.io/apimachinery/pkg/util/rand/rand.go."""


_BASE = len(SUFFIX_ALPHABET)
_PAIRS = tuple(first + second for second in SUFFIX_ALPHABET for first in SUFFIX_ALPHABET)
"""The letters of two digits, the lower one first."""


_UUID_FIXED = (0x4 << 76) | (0x2 << 62)
_UUID_RANDOM = (1 << 128) - 1 - (0xF << 76) - (0x3 << 62)
"""Version and variant of a UUID, and its other bits. Source: RFC 9562 5.4."""


class Stream:
    """One named sequence of 64-bit numbers. Cost: about 0.5 µs a number."""

    __slots__ = ("_count", "_keyed")

    def __init__(self, seed: int, name: str) -> None:
        key = blake2b(f"{seed}/{name}".encode(), digest_size=32).digest()
        self._keyed = blake2b(key=key, digest_size=8)
        self._count = 0

    def next_u64(self) -> int:
        """The next number, from 0 to 2**64 - 1, each as likely."""
        self._count += 1
        made = self._keyed.copy()
        made.update(self._count.to_bytes(8, "little"))
        return int.from_bytes(made.digest(), "little")

    def below(self, bound: int) -> int:
        """A number in [0, bound). Bias below 2**-32 for any bound under 2**32."""
        assert bound > 0
        return self.next_u64() % bound

    def many_below(self, bound: int, count: int) -> list[int]:
        """What ``below`` would give so many times."""
        assert bound > 0
        copy, first = self._keyed.copy, self._count + 1
        self._count += count
        out = []
        for number in range(first, first + count):
            made = copy()
            made.update(number.to_bytes(8, "little"))
            out.append(int.from_bytes(made.digest(), "little") % bound)
        return out

    def fraction(self) -> float:
        """A float in [0, 1) with 53 random bits."""
        return (self.next_u64() >> 11) * 2.0**-53

    def suffix(self, length: int = 5) -> str:
        """A name suffix as Kubernetes generates them."""
        number = self.next_u64()
        if length == 5:
            # The usual length, at once: three pairs, of the last only the first letter.
            number, first = divmod(number, _BASE * _BASE)
            number, second = divmod(number, _BASE * _BASE)
            return _PAIRS[first] + _PAIRS[second] + SUFFIX_ALPHABET[number % _BASE]
        out = ""
        for _ in range((length + 1) // 2):
            number, rest = divmod(number, _BASE * _BASE)
            out += _PAIRS[rest]
        return out[:length]

    def uuid(self) -> str:
        """A random (version 4) UUID in text form."""
        raw = (self.next_u64() << 64) | self.next_u64()
        text = f"{(raw & _UUID_RANDOM) | _UUID_FIXED:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
