"""./dev flash: an image into a router's flash, by its boot loader and its serial console.

image      what is in the file, and for which boards
line       the serial line
uboot      the boot loader at the other end of it: commands, none of which noise can change
transfer   how octets get into the board's memory: TFTP or YMODEM
job        one board: what differs is written, the beginning last
"""
