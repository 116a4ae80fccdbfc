"""Two peers in one process that are connected without HTTP, for tests of what goes between them."""

import asyncio

from headgan.proto.ice import IceConfig
from headgan.proto.peer import Peer


async def connect(limit_s: float) -> tuple[Peer, Peer]:
    """A peer that offers and one that answers; their channels are open. TimeoutError after `limit_s`."""
    caller, callee = Peer(IceConfig()), Peer(IceConfig())
    await caller.take_answer(await callee.answer_offer(await caller.make_offer()))
    async with asyncio.timeout(limit_s):
        await asyncio.gather(caller.wait_open(), callee.wait_open())
    return caller, callee
