"""Where runs keep what must survive: event logs, client states, blobs."""
