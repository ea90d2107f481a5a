"""The client daemon: dials out, trains in a process of its own, delivers what it promised."""
