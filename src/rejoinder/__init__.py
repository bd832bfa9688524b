"""Realtime voice sessions in which every reply settles."""
