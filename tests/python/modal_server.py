"""A stand-in, on loopback, for the servers that Modal's client calls when it builds an image.

Nothing is built: the layers of the image are stored as the client sends them.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from grpclib.const import Handler
from grpclib.server import Server, Stream
from modal_proto import api_grpc, api_pb2


class ModalServer:
    """The layers, and the names of the files that were sent for them."""

    def __init__(self) -> None:
        self.layers: list[list[str]] = []
        self.files: list[str] = []
        self.port = 0

    def __mapping__(self) -> dict[str, Handler]:
        calls = type("Calls", (api_grpc.ModalClientBase,), {})
        # Each call is answered below.
        calls.__abstractmethods__ = frozenset()
        return {
            path: handler._replace(func=self._answering(path.rsplit("/", 1)[1], handler.reply_type))
            for path, handler in calls().__mapping__().items()
        }

    def _answering(self, name: str, reply: Any) -> Any:
        async def answer(stream: Stream[Any, Any]) -> None:
            request = await stream.recv_message()
            known = getattr(self, f"_{name}", None)
            await stream.send_message(reply() if known is None else known(request))

        return answer

    def _AuthTokenGet(self, _: Any) -> Any:
        parts = ({"alg": "none"}, {"exp": int(time.time()) + 3_600})
        encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts)
        token = ".".join([*(part.rstrip("=") for part in encoded), "signature"])
        return api_pb2.AuthTokenGetResponse(token=token)

    def _AppCreate(self, _: Any) -> Any:
        return api_pb2.AppCreateResponse(app_id="ap-1")

    def _EnvironmentGetOrCreate(self, _: Any) -> Any:
        settings = api_pb2.EnvironmentSettings(image_builder_version="2025.06")
        metadata = api_pb2.EnvironmentMetadata(name="main", settings=settings)
        return api_pb2.EnvironmentGetOrCreateResponse(environment_id="en-1", metadata=metadata)

    def _MountBatchedCheckExistence(self, request: Any) -> Any:
        missing = request.sha256_hex_hashes
        return api_pb2.MountBatchedCheckExistenceResponse(missing_sha256_hex_hashes=missing)

    def _MountPutFile(self, _: Any) -> Any:
        return api_pb2.MountPutFileResponse(exists=True)

    def _MountGetOrCreate(self, request: Any) -> Any:
        self.files += [file.filename for file in request.files]
        metadata = api_pb2.MountHandleMetadata(content_checksum_sha256_hex="0")
        return api_pb2.MountGetOrCreateResponse(mount_id="mo-1", handle_metadata=metadata)

    def _ImageGetOrCreate(self, request: Any) -> Any:
        self.layers.append(list(request.image.dockerfile_commands))
        done = api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS)
        image_id = f"im-{len(self.layers)}"
        return api_pb2.ImageGetOrCreateResponse(image_id=image_id, result=done)


@contextmanager
def modal_server() -> Iterator[ModalServer]:
    """A server on its own thread."""
    served = ModalServer()
    loop = asyncio.new_event_loop()
    listening = threading.Event()

    async def serve() -> None:
        server = Server([served])
        await server.start("127.0.0.1", 0)
        served.port = server._server.sockets[0].getsockname()[1]
        listening.set()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert listening.wait(60)
        yield served
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
