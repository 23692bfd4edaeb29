"""Values by number: many rows that say the same keep it once."""

from collections.abc import Hashable
from typing import Generic, TypeVar

V = TypeVar("V", bound=Hashable)


class Interned(Generic[V]):
    """Each value is kept as long as somebody uses its number; then the number is given anew."""

    __slots__ = ("_free", "_numbers", "_uses", "_values")

    def __init__(self) -> None:
        self._values: list[V | None] = []
        self._uses: list[int] = []
        self._numbers: dict[V, int] = {}
        self._free: list[int] = []

    def __len__(self) -> int:
        """Numbers given are below this."""
        return len(self._values)

    def take(self, value: V) -> int:
        """Its number, used once more."""
        number = self._numbers.get(value)
        if number is not None:
            self._uses[number] += 1
            return number
        if self._free:
            number = self._free.pop()
            self._values[number], self._uses[number] = value, 1
        else:
            number = len(self._values)
            self._values.append(value)
            self._uses.append(1)
        self._numbers[value] = number
        return number

    def give_back(self, number: int) -> bool:
        """Used once less. True: nobody uses it any more."""
        self._uses[number] -= 1
        if self._uses[number]:
            return False
        value = self[number]
        del self._numbers[value]
        self._values[number] = None
        self._free.append(number)
        return True

    def numbers(self) -> list[int]:
        """Those in use."""
        return [number for number, uses in enumerate(self._uses) if uses]

    def __getitem__(self, number: int) -> V:
        value = self._values[number]
        assert value is not None, number
        return value
