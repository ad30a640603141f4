"""State machines: events in, actions out; time and random octets are arguments (DESIGN section 4)."""
