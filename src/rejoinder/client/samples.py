"""How many bytes one sample of the user's audio has, while updates of the session may change it."""

from __future__ import annotations

from rejoinder.client.edit import Edit
from rejoinder.core.effects import Refused

__all__ = ["SampleSize"]


class SampleSize:
    """Holds what the server agreed to last, and what it has been asked for since. An update counts from
    its sending on, since audio that follows it is in its format, and no longer once it is refused."""

    def __init__(self, agreed: int) -> None:
        self._agreed = agreed
        self._asked: list[tuple[Edit, int]] = []

    def ask(self, size: int | None, edit: Edit) -> None:
        """An update goes out; ``size`` is None if it does not say."""
        if size is not None:
            self._settle()
            self._asked.append((edit, size))

    def now(self) -> int:
        """Bytes of one sample of what is appended now."""
        if not self._asked:  # nearly always
            return self._agreed
        self._settle()
        asked = [size for edit, size in self._asked if not isinstance(edit.result, Refused)]
        return asked[-1] if asked else self._agreed

    def _settle(self) -> None:
        """Forgets the updates that are answered; those before them come first."""
        while self._asked and (result := self._asked[0][0].result) is not None:
            _, size = self._asked.pop(0)
            self._agreed = self._agreed if isinstance(result, Refused) else size
