"""An in-memory Pub/Sub over gRPC for the official client, through PUBSUB_EMULATOR_HOST.

state.py    one subscription's queue: leases, deadlines, ordering (pure)
core.py     topics and subscriptions behind one lock; waiting for messages
wire.py     responses from messages encoded once
service.py  the gRPC methods
server.py   Broker (start, stop, address) and serve()

with Broker() as broker:
    os.environ["PUBSUB_EMULATOR_HOST"] = broker.address
"""

from __future__ import annotations

from pipeline.broker.limits import Limits
from pipeline.broker.server import Broker, serve

__all__ = ["Broker", "Limits", "serve"]
