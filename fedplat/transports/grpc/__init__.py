"""gRPC: a control plane of small messages and a data plane of raw bytes."""
