"""Meridian's assistant as an application: a model with documents, tools, output sinks and an event log.

>>> meri = assistant("help desk")
>>> meri.ask("When does the Oakwood branch open?").text
'At 9:00.'
>>> print(meri.log)
"""

from aisecops.targets.assistant.application import Answer, Assistant, Model
from aisecops.targets.assistant.bank import Bank
from aisecops.targets.assistant.calls import Call
from aisecops.targets.assistant.documents import Bm25, Document, Nearest, Store, embedder
from aisecops.targets.assistant.endpoint import Endpoint
from aisecops.targets.assistant.log import Event, Log
from aisecops.targets.assistant.meridian import Profile, Ready, assistant, assistants

__all__ = [
    "Answer",
    "Assistant",
    "Bank",
    "Bm25",
    "Call",
    "Document",
    "Endpoint",
    "Event",
    "Log",
    "Model",
    "Nearest",
    "Profile",
    "Ready",
    "Store",
    "assistant",
    "assistants",
    "embedder",
]
