"""The drop-in for ``livekit.plugins.openai.realtime``: everything public in `rejoinder.livekit`."""

from livekit.plugins.rejoinder.realtime import gpt_live_model as gpt_live_model
from livekit.plugins.rejoinder.realtime import gpt_live_types as gpt_live_types
from livekit.plugins.rejoinder.realtime import inference_realtime_model as inference_realtime_model
from livekit.plugins.rejoinder.realtime import realtime_model as realtime_model
from livekit.plugins.rejoinder.realtime import utils as utils

from rejoinder.livekit import *  # noqa: F403
from rejoinder.livekit import __all__ as __all__
