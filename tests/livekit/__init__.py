"""Tests of `rejoinder.livekit`, file by file, and under LiveKit's own `AgentSession`."""
