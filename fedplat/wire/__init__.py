"""Protobuf messages and their conversion from and to the engine's values."""
