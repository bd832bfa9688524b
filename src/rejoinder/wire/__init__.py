"""What is said: bytes to typed events and back.

Pure: no clock, no socket, no log. Import the noun you need: ``from rejoinder.wire import codec``,
``from rejoinder.wire.server_events import ResponseDone``.
"""
