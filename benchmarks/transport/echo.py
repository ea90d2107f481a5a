"""An empty aio server: the floor of a call.

Usage: python -m benchmarks.transport.echo BYTES.  Prints its port, answers every call with so many
bytes until its standard input ends.
"""

import asyncio
import sys

import grpc
import grpc.aio

from fedplat.transports.grpc.channel import SERVER_OPTIONS

SERVICE = "benchmarks.Echo"


async def serve(answer: bytes) -> None:
    async def call(payload: bytes, context: object) -> bytes:
        return answer

    server = grpc.aio.server(options=SERVER_OPTIONS)
    method = grpc.unary_unary_rpc_method_handler(call)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {"Call": method}),)
    )
    port = server.add_insecure_port("localhost:0")
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(serve(bytes(int(sys.argv[1]))))
