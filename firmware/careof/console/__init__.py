"""The serial console: a line editor, a grammar made of the option table, and commands; it never waits for
anything while octets come in."""
