"""Keeps gRPC's own log lines from users: what matters of them, our errors say."""

import os


def quiet_grpc() -> None:
    """To be called before grpc is imported; an operator's own setting stands."""
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
