"""What an `error` event is about. It rarely says, so the words are weighed: code, type, param, message.

Codes: OpenAI Realtime reference, and what compatible servers were seen to send (messages are a last
resort, for servers without codes).
"""

from __future__ import annotations

import enum

from rejoinder.core.outcomes import BUSY_CODE
from rejoinder.wire.response import ErrorBody

FATAL = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "billing_hard_limit_reached",
        "account_deactivated",
        "invalid_api_key",
        "invalid_model",
        "missing_model",
        "model_not_found",
        "invalid_intent",
        "beta_api_shape_disabled",
    }
)
"""Codes after which no request can succeed, by `error.code` or `error.type`."""

_INACTIVE = "response_cancel_not_active"
_BENIGN_AUDIO = frozenset({"input_audio_buffer_commit_empty"})
_ITEM_CODES = (
    "item_",
    "invalid_tool_call_id",
    "conversation_item",
)
_TRUNCATING = ("truncat", "already shorter than")
"""Words about a truncation: refusals of one come without code and param (livekit/agents#6249)."""
_SESSION_CODES = ("cannot_update_", "session_")


class About(enum.Enum):
    """The subject of an error."""

    FATAL = "fatal"
    """the account, the key or the model: no request can succeed"""
    SESSION_EXPIRED = "session expired"
    """the server ends the session"""
    BUSY = "busy"
    """a response runs already"""
    INACTIVE = "inactive"
    """nothing to cancel"""
    AUDIO = "input audio"
    ITEM = "item"
    SESSION = "session"
    NOBODY = "nobody"
    """names nobody: it may concern any response under way"""


def subject(error: ErrorBody) -> About:
    """What ``error`` is about, by code and type first, then by parameter, then by its words."""
    codes = {error.code or "", error.type or ""}
    if codes & FATAL:
        return About.FATAL
    message = (error.message or "").lower()
    long = "session" in message and "maximum duration" in message
    if "session_expired" in codes or long:
        return About.SESSION_EXPIRED
    if BUSY_CODE in codes or "already has an active response" in message:
        return About.BUSY
    if _INACTIVE in codes or "no active response" in message:
        return About.INACTIVE
    about = _by_name(error.code or "", error.param or "")
    if about is About.NOBODY and any(words in message for words in _TRUNCATING):
        return About.ITEM
    return about


def benign(error: ErrorBody, about: About) -> bool:
    """Whether the error is of a kind that asks for no attention: the wish it refuses is moot."""
    moot_item = about is About.ITEM and "invalid_item_id" in (error.code or "")
    return about is About.INACTIVE or moot_item or (error.code or "") in _BENIGN_AUDIO


def _by_name(code: str, param: str) -> About:
    if code.startswith("input_audio_buffer") or param.startswith(("input_audio", "audio")):
        return About.AUDIO
    if code.startswith(_ITEM_CODES) or param.startswith(("item", "previous_item_id")):
        return About.ITEM
    if code.startswith(_SESSION_CODES) or param.startswith("session"):
        return About.SESSION
    return About.NOBODY
