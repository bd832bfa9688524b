"""The microphone: whatever audio comes, as 24 kHz mono in chunks of 100 ms."""

from __future__ import annotations

import numpy as np
from livekit import rtc

from rejoinder.errors import ConfigurationError
from rejoinder.livekit.options import SAMPLE_RATE

_BYTES_PER_SECOND = SAMPLE_RATE * 2
_CHUNK = _BYTES_PER_SECOND // 10
_LEAST_COMMIT = _BYTES_PER_SECOND // 10  # servers refuse to commit less than 100 ms
_RATES = range(8_000, 192_001)


class Microphone:
    """Collects pushed frames into chunks, and knows how much the server has not committed yet.

    Frames may change their rate and number of channels from one to the next.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._raw = bytearray()
        self._inside = 0
        self._resampler: rtc.AudioResampler | None = None
        self._rate = SAMPLE_RATE
        self._uncommitted = 0
        self._own_commits = 0

    def push(self, frame: rtc.AudioFrame) -> list[bytes]:
        """Takes a frame in and gives out the chunks of 100 ms that are full.

        Raises `ConfigurationError` for a sample rate outside 8000 to 192000 Hz.
        """
        if frame.sample_rate != self._rate:
            self._change_rate(frame.sample_rate)
        samples = frame.data if frame.num_channels == 1 else _mixed(frame)
        if self._resampler is None:
            self._buffer += samples
        else:
            self._raw += samples
            waiting = len(self._raw) * SAMPLE_RATE + self._inside
            if waiting >= (_CHUNK - len(self._buffer)) * self._rate:
                self._resample()
        return self._full_chunks() if len(self._buffer) >= _CHUNK else []

    def flush(self) -> tuple[bytes, bool]:
        """The chunk begun, possibly empty, and whether the turn is long enough to commit it."""
        self._resample()
        rest = bytes(self._buffer)
        self._buffer.clear()
        worth_it = self._uncommitted + len(rest) > _LEAST_COMMIT
        self._own_commits += worth_it
        self._uncommitted = 0 if worth_it else self._uncommitted + len(rest)
        return rest, worth_it

    def committed(self) -> None:
        """The server's buffer became an item, by our commit or by its own turn detection."""
        if self._own_commits:
            self._own_commits -= 1
        else:
            self._uncommitted = 0

    def refused(self) -> None:
        """The server did not carry out a commit of ours."""
        self._own_commits -= 1

    def clear(self) -> None:
        """Forgets the chunk begun, as the server is told to forget its buffer."""
        self._resample()
        self._buffer.clear()
        self._uncommitted = 0

    def _change_rate(self, rate: int) -> None:
        if rate not in _RATES:
            raise ConfigurationError(
                f"push_audio: unsupported sample rate {rate} Hz; "
                f"push frames of {_RATES.start} to {_RATES.stop - 1} Hz"
            )
        self._resample()
        for rest in self._resampler.flush() if self._resampler else ():
            self._buffer += rest.data.cast("B")
        self._rate = rate
        self._inside = 0
        self._resampler = (
            None
            if rate == SAMPLE_RATE
            else rtc.AudioResampler(input_rate=rate, output_rate=SAMPLE_RATE)
        )

    def _resample(self) -> None:
        """Brings what waits to our rate.

        Each call of the resampler is dear, so frames wait until they may fill a chunk together with
        what is inside of it already (``_inside``, in bytes times both rates). None leaves later for it.
        """
        if self._resampler is None or not self._raw:
            return
        before = len(self._buffer)
        for resampled in self._resampler.push(self._raw):
            self._buffer += resampled.data
        gained = (len(self._buffer) - before) * self._rate
        self._inside += len(self._raw) * SAMPLE_RATE - gained
        self._raw = bytearray()

    def _full_chunks(self) -> list[bytes]:
        whole = len(self._buffer) - len(self._buffer) % _CHUNK
        chunks = [bytes(self._buffer[at : at + _CHUNK]) for at in range(0, whole, _CHUNK)]
        del self._buffer[:whole]
        self._uncommitted += whole
        return chunks


def _mixed(frame: rtc.AudioFrame) -> bytes:
    """The frame's samples, channels averaged into one."""
    channels = np.frombuffer(frame.data, dtype=np.int16).reshape(-1, frame.num_channels)
    mixed: bytes = channels.mean(axis=1).astype(np.int16).tobytes()
    return mixed
