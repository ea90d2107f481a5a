"""What carries the engine: ports, the one driver loop, executors, the streaming fold."""
