"""The MIP-MIB as others wrote it down: the module of PyPI's pysnmp-mibs, which was made of the RFC's text.

The module is Python that says mibBuilder.importSymbols(...) and makes objects: it is run with stand-ins that
write down what it says. The RFC itself is looked at where its text is (RFC_2006).
"""

import importlib.metadata
import os
import re
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RFC_2006 = Path(os.environ.get("CAREOF_RFC", ROOT.parent / "shared/rfc")) / "rfc2006.txt"
MIP = (1, 3, 6, 1, 2, 1, 44)

# base: "Counter32", "Integer32", "Bits", ...; names: {number: name}; ranges: [(low, high)]; index: of a row.
Object = namedtuple("Object", "name kind oid base names ranges access index")


class _Syntax:
    """Whatever type the module names, with the names and ranges that it narrows it to."""

    namedValues = ()

    def __init__(self, *arguments):
        self.names, self.ranges = dict(self.namedValues), []

    def clone(self, default=None, namedValues=None):
        self.names = dict(namedValues) if namedValues is not None else self.names
        return self

    def subtype(self, subtypeSpec=None, **_):
        if isinstance(subtypeSpec, tuple):
            self.ranges = [subtypeSpec]
        return self

    def setFixedLength(self, length):
        return self

    @classmethod
    def base(cls):
        return next(c.__name__ for c in cls.__mro__ if c.__name__ != "RegistrationFlags")


class _Made:
    """An object of the MIB."""

    def __init__(self, oid, syntax=None):
        self.oid, self.syntax, self.access, self.index = oid, syntax, None, ()

    def setMaxAccess(self, access):
        self.access = access
        return self

    def setIndexNames(self, *names):
        self.index = tuple(name for _, _, name in names)
        return self

    def __getattr__(self, name):  # setDescription and the like
        return lambda *arguments, **more: self


class _Builder:
    loadTexts = False

    def __init__(self):
        self.known = {}

    def importSymbols(self, module, *names):
        return tuple(self._symbol(name) for name in names)

    def _symbol(self, name):
        if name == "NamedValues":
            return lambda *rows: {number: text for text, number in rows}
        if name == "ValueRangeConstraint":
            return lambda low, high: (low, high)
        if name.endswith(("Constraint", "Union", "Intersection")):
            return lambda *arguments: None
        if name.startswith("Mib") or name.endswith(
            ("Identity", "Type", "Group", "Compliance", "iso", "experimental", "mib-2")
        ):
            return type(name, (_Made,), {})
        if name == "TextualConvention":
            return type(name, (), {})
        return self.known.setdefault(name, type(name, (_Syntax,), {}))

    def exportSymbols(self, *arguments, **names):
        self.exported = names


def objects():
    """{name: Object} of the module."""
    for file in importlib.metadata.files("pysnmp-mibs"):
        if file.name == "MIP-MIB.py":
            text = file.locate().read_text()
    builder, found = _Builder(), {}
    exec(compile(text, "MIP-MIB.py", "exec"), {"mibBuilder": builder})  # it is a list of objects
    for name, made in builder.exported.items():
        if name == "PYSNMP_MODULE_ID" or not isinstance(made, _Made):
            continue
        syntax, kind = made.syntax, type(made).__name__
        found[name] = Object(
            name,
            kind,
            made.oid,
            syntax.base() if isinstance(syntax, _Syntax) else None,
            syntax.names if isinstance(syntax, _Syntax) else {},
            syntax.ranges if isinstance(syntax, _Syntax) else [],
            made.access,
            made.index,
        )
    return found


def accessible(found):
    """Those that can be read. The violator's address is for notifications only (the RFC's word)."""
    kinds = ("MibScalar", "MibTableColumn")
    return {
        o.name: o
        for o in found.values()
        if o.kind in kinds and o.access is not None and o.name != "mipSecViolatorAddress"
    }


# -- For tools that want a MIB as text

_SYNTAXES = {
    "Bits": "OCTET STRING",
    "OctetString": "OCTET STRING",
    "TruthValue": "INTEGER { true(1), false(2) }",
    "RowStatus": "INTEGER { active(1), notInService(2), notReady(3) }",
    "TimeStamp": "TimeTicks",
}


def _smi(made):
    if made.base == "Integer32" and made.names:
        return f"INTEGER {{ {', '.join(f'{name}({number})' for number, name in made.names.items())} }}"
    return _SYNTAXES.get(made.base, made.base)


def text(found):
    """The tables and scalars as a module of SMI that needs no other."""
    lines = ["MIP-MIB DEFINITIONS ::= BEGIN", "IMPORTS OBJECT-TYPE FROM SNMPv2-SMI;"]
    names = {o.oid: o.name for o in found.values()}
    lines.append("mipMIB OBJECT IDENTIFIER ::= { iso org(3) dod(6) internet(1) mgmt(2) mib-2(1) 44 }")
    for made in sorted(found.values(), key=lambda o: o.oid):
        if made.oid == MIP or made.oid[: len(MIP) + 1] != (*MIP, 1):
            continue
        where = f"::= {{ {names[made.oid[:-1]]} {made.oid[-1]} }}"
        if made.kind == "MibIdentifier":
            lines.append(f"{made.name} OBJECT IDENTIFIER {where}")
            continue
        entry = names.get((*made.oid, 1), made.name)
        entry = entry[0].upper() + entry[1:]
        syntax = {
            "MibTable": f"SEQUENCE OF {entry}",
            "MibTableRow": made.name[0].upper() + made.name[1:],
        }.get(made.kind, _smi(made))
        index = f" INDEX {{ {', '.join(made.index)} }}" if made.index else ""
        access = "read-only" if made.access else "not-accessible"
        lines.append(
            f"{made.name} OBJECT-TYPE SYNTAX {syntax} MAX-ACCESS {access} STATUS current"
            f' DESCRIPTION ""{index} {where}'
        )
        if made.kind == "MibTableRow":
            columns = [o for o in found.values() if o.oid[:-1] == made.oid]
            fields = ", ".join(f"{o.name} {_SYNTAXES.get(o.base, o.base).split(' {')[0]}" for o in columns)
            lines.append(f"{entry} ::= SEQUENCE {{ {fields} }}")
    return "\n".join([*lines, "END", ""])


def of_the_rfc():
    """{name: (syntax's first word, access)} of every OBJECT-TYPE in RFC 2006, or None without its text."""
    if not RFC_2006.exists():
        return None
    pages = re.sub(r"\n\n+Cong, Hamlen.*?\n\f?\n?RFC 2006[^\n]*\n", "\n", RFC_2006.read_text())
    pattern = r"(\w+)\s+OBJECT-TYPE\s+SYNTAX\s+(\w+).*?MAX-ACCESS\s+([\w-]+)"
    return {name: (syntax, access) for name, syntax, access in re.findall(pattern, pages, re.S)}
