"""Sans-I/O state machines: events in, commands out; time is inside the event."""
