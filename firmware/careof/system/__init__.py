"""The only room that touches the machine: sockets, clocks, files."""
