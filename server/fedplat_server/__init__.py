"""The coordinator daemon: the engine behind gRPC, its stores, and the local authority."""
