"""Make messages.h and messages.c of a C process from its table, firmware/careof/wire/tunneld.py or keyd.py.

    make_messages.py FIRMWARE_FOLDER tunneld messages.h messages.c

C names follow the table's: SetRoute -> MESSAGE_SET_ROUTE, struct message_set_route, and
COUNTERS' "out_loop" -> COUNTER_OUT_LOOP.
"""

import importlib
import re
import sys

C_TYPES = {
    "u8": "uint8_t %s",
    "u16": "uint16_t %s",
    "u32": "uint32_t %s",
    "u64": "uint64_t %s",
    "ip": "uint32_t %s",
    "mac": "uint8_t %s[MESSAGE_MAC_SIZE]",
    "device": "char %s[MESSAGE_DEVICE_SIZE]",
    "list32": "struct message_list %s",
    "name": "struct message_octets %s",
    "short": "struct message_octets %s",
    "octets": "struct message_octets %s",
}
CONSTANTS = ("VERSION", "FOREVER_S", "DATAGRAM_SIZE_MAX", "PART_SIZE_MAX", "VALUE_SIZE_MAX")
ENUMS = ("KIND_", "GATE_", "OFFLOAD_", "ALGORITHM_")


def snake(name):
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def constants(table):
    """(name, value) of every constant that both ends must agree on."""
    names = [name for name in vars(table) if name in CONSTANTS or name.startswith(ENUMS)]
    return [(name, getattr(table, name)) for name in names]


def structure(row):
    if not row.fields:
        return ""
    fields = "".join("    %s;\n" % (C_TYPES[kind] % name) for name, kind in row.fields)
    return "struct message_%s {\n%s};\n\n" % (snake(row.name), fields)


def header(table):
    members = "".join(
        "        struct message_%s %s;\n" % (snake(row.name), snake(row.name))
        for row in table.ROWS
        if row.fields
    )
    return """/* Made by make_messages.py from the table %s: do not edit. */
#ifndef CAREOF_MESSAGES_H
#define CAREOF_MESSAGES_H

#include "codec.h"

%s
enum message_kind {
%s};

%sstruct message {
    struct message_header header;
    union {
%s    } as;
};

enum counter {
%s    COUNTERS_COUNT,
};

enum { MESSAGE_ROW_COUNT = %d };
extern const struct message_row message_rows[MESSAGE_ROW_COUNT];
extern const char *const counter_names[COUNTERS_COUNT];

#endif
""" % (
        table.__name__,
        "".join("#define WIRE_%s %du\n" % pair for pair in constants(table)),
        "".join("    MESSAGE_%s = %d,\n" % (snake(row.name).upper(), row.kind) for row in table.ROWS),
        "".join(structure(row) for row in table.ROWS),
        members,
        "".join("    COUNTER_%s,\n" % name.upper() for name in table.COUNTERS),
        len(table.ROWS),
    )


def source(table):
    parts = ['/* Made by make_messages.py: do not edit. */\n#include "messages.h"\n']
    for row in table.ROWS:
        if row.fields:
            parts.append("static const struct message_field fields_%s[] = {" % snake(row.name))
            for name, kind in row.fields:
                offset = "offsetof(struct message_%s, %s)" % (snake(row.name), name)
                parts.append('    {"%s", FIELD_%s, %s},' % (name, kind.upper(), offset))
            parts.append("};\n")
    parts.append("const struct message_row message_rows[MESSAGE_ROW_COUNT] = {")
    for row in table.ROWS:
        fields = "fields_" + snake(row.name) if row.fields else "NULL"
        direction = "MESSAGE_DOWN" if row.direction == "to" else "MESSAGE_UP"
        parts.append('    {"%s", %s, %d, %d, %s},' % (row.name, fields, row.kind, len(row.fields), direction))
    parts.append("};\n\nconst char *const counter_names[COUNTERS_COUNT] = {")
    parts.extend('    "%s",' % name for name in table.COUNTERS)
    parts.append("};")
    return "\n".join(parts) + "\n"


def main(firmware, name, header_path, source_path):
    sys.dont_write_bytecode = True
    sys.path.insert(0, firmware)
    table = importlib.import_module("careof.wire." + name)
    for path, text in ((header_path, header(table)), (source_path, source(table))):
        with open(path, "w") as f:
            f.write(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
