"""How messages travel: in process here; over gRPC in the daemons."""
