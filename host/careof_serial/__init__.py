"""careof-serial: a router by its serial port, from the desk.

port.py       any pyserial URL: a tty, socket://, rfc2217://; what is wrong with it, in words
session.py    what is at the other end (console, shell, login, nothing, noise), and commands to it
transfer.py   files by YMODEM, with the `ymodem` library
script.py     expect-like scripts
terminal.py   a person at the console
__main__.py   python -m careof_serial console | push | pull
"""
