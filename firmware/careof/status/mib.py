"""RFC 2006's MIP-MIB: every object that can be read, its OID, its syntax, and where its value comes from.

JSON, `careof status mib`, SNMP (status.snmp) and docs/status.md are all made from these rows; status.mib_view
makes the values, of what careofd answers to `roles` and `rows`.

A scalar belongs to roles: a home agent's counters are those of one home agent. Where from:

    counters(a, b ...)           the sum of counters with these names
    codes(prefix, first, last)   the sum of counters with these names and a code between
    fact(key)                    what the role says of itself
    several sources in a list    their sum

A table has an index of addresses and numbers, and its columns come from the rows of a table of the role:

    cell(key)                    the row's value of that name; None: the instance is not there
    low(key), high(key)          half of a 64-bit number
    age(key)                     milliseconds ago as the time it was
    fixed(value)                 always that

All of it is read only: what is configured is configured in one place (/etc/config/careof).
"""

from collections import namedtuple

ROOT = (1, 3, 6, 1, 2, 1, 44)  # mib-2 44
ROUTER, FOREIGN, HOME = "mobile_router", "foreign_agent", "home_agent"
ANY = (ROUTER, FOREIGN, HOME)
AGENTS = (FOREIGN, HOME)

# name: for people; kind: of status.snmp.WIRE; names: {number or bit: name}; low, high: what is legal.
Syntax = namedtuple("Syntax", "name kind names low high")


def _syntax(name, kind, names=None, low=None, high=None):
    return Syntax(name, kind, names, low, high)


COUNTER = _syntax("Counter32", "counter")
GAUGE = _syntax("Gauge32", "gauge")
INTEGER = _syntax("Integer32", "integer")
ADDRESS = _syntax("IpAddress", "address")
TIME = _syntax("TimeStamp", "time")
TRUTH = _syntax("TruthValue", "integer", {1: "true", 2: "false"})
ROW = _syntax("RowStatus", "integer", {1: "active", 2: "notInService"})
OCTETS = _syntax("OCTET STRING", "octets")
REGISTRATION_FLAGS = _syntax(
    "RegistrationFlags",
    "bits",
    {
        0: "vjCompression",
        1: "gre",
        2: "minEnc",
        3: "decapsulationbyMN",
        4: "broadcastDatagram",
        5: "simultaneousBindings",
    },
)


def _whole(low, high):
    return _syntax("INTEGER (%d..%d)" % (low, high), "integer", None, low, high)


def _choice(*names):
    return _syntax("INTEGER", "integer", {number + 1: name for number, name in enumerate(names)})


def _bits(*names):
    return _syntax("BITS", "bits", dict(enumerate(names)))


ENTITIES = {ROUTER: "mobileNode", FOREIGN: "foreignAgent", HOME: "homeAgent"}
ENCAPSULATIONS = {"ipip": "ipInIp", "gre": "gre", "minimal": "minEnc", "udp": "other"}
REASONS = ("noMobilitySecurityAssociation", "badAuthenticator", "badIdentifier", "badSPI") + (
    "missingSecurityExtension",
    "other",
)
DENIALS = (
    ("reasonUnspecified", "admProhibited", "insufficientResource", "mnAuthenticationFailure")
    + ("faAuthenticationFailure", "idMismatch", "poorlyFormedRequest", "tooManyBindings", "unknownHA")
)  # fmt: skip
FIRST_DENIAL = 128

Source = namedtuple("Source", "kind arguments")


def counters(*names):
    return Source("counters", names)


def codes(prefix, first, last):
    return Source("codes", (prefix, first, last))


def fact(key):
    return Source("fact", (key,))


def cell(key):
    return Source("cell", (key,))


def low(key):
    return Source("low", (key,))


def high(key):
    return Source("high", (key,))


def age(key):
    return Source("age", (key,))


def fixed(value):
    return Source("fixed", (value,))


# roles: kinds of role that have it; sources: summed.
Scalar = namedtuple("Scalar", "name oid syntax roles sources")
Column = namedtuple("Column", "name number syntax source")
# oid: of the entry; index: ((key of the row, "address" or "number"), ...); rows: tables of the role, joined.
Table = namedtuple("Table", "name oid index roles rows columns")


def _group(oid, roles, *rows):
    return [Scalar(name, oid + (n,), syntax, roles, sources) for n, name, syntax, *sources in rows]


def _table(name, oid, index, roles, rows, *columns):
    made = tuple([Column(column, number, syntax, source) for number, column, syntax, source in columns])
    return Table(name, oid + (1,), index, roles, rows, made)


# -- Scalars, in the order of their OIDs --------------------------------------------------------------
_SYSTEM, _SECURITY, _MN, _MA, _FA, _HA = [ROOT + (1, group) for group in range(1, 7)]
_MN_SYSTEM, _MN_DISCOVERY, _MN_REGISTRATION = _MN + (1,), _MN + (2,), _MN + (3,)
_MA_ADVERTISEMENT = _MA + (2,)
_FA_SYSTEM, _FA_ADVERTISEMENT, _FA_REGISTRATION = _FA + (1,), _FA + (2,), _FA + (3,)
_HA_REGISTRATION = _HA + (3,)

# Every request that a home agent hears ends under one of these names; 131 to 133 are counted there, too.
_HEARD = (
    counters(
        "request_unknown_node",
        "request_not_authenticated",
        "request_unknown_spi",
        "request_false_authenticator",
        "request_stale",
        "request_repeated",
    ),
    codes("reply_", 0, 130),
    codes("reply_", 134, 255),
)

SCALARS = (
    _group(
        _SYSTEM,
        ANY,
        (1, "mipEntities", _bits("mobileNode", "foreignAgent", "homeAgent"), fact("entities")),
        (2, "mipEnable", _choice("enabled", "disabled"), fixed("enabled")),
        (3, "mipEncapsulationSupported", _bits("ipInIp", "gre", "minEnc", "other"), fact("encapsulations")),
    )
    + _group(_SECURITY, ANY, (2, "mipSecTotalViolations", COUNTER, fact("violations")))
    + _group(
        _MN_SYSTEM,
        (ROUTER,),
        (1, "mnState", _choice("home", "registered", "pending", "isolated", "unknown"), fact("state")),
        (2, "mnHomeAddress", ADDRESS, fact("home_address")),
    )
    + _group(
        _MN_DISCOVERY + (2,),
        (ROUTER,),
        (1, "mnAdvSourceAddress", ADDRESS, fact("adv_source")),
        (2, "mnAdvSequence", _whole(0, 65535), fact("adv_sequence")),
        (
            3,
            "mnAdvFlags",
            _bits("vjCompression", "gre", "minEnc", "foreignAgent", "homeAgent", "busy", "regRequired"),
            fact("adv_flags"),
        ),
        (4, "mnAdvMaxRegLifetime", _whole(0, 65535), fact("adv_max_registration_s")),
        (5, "mnAdvMaxAdvLifetime", _whole(0, 65535), fact("adv_lifetime_s")),
        (6, "mnAdvTimeReceived", TIME, fact("adv_ago_ms")),
    )
    + _group(
        _MN_DISCOVERY,
        (ROUTER,),
        (3, "mnSolicitationsSent", COUNTER, counters("solicited")),
        (4, "mnAdvertisementsReceived", COUNTER, counters("advertisement_heard")),
        (5, "mnAdvsDroppedInvalidExtension", COUNTER, counters("advertisement_malformed")),
        (6, "mnAdvsIgnoredUnknownExtension", COUNTER, counters("advertisement_unknown_extension")),
        (7, "mnMoveFromHAToFA", COUNTER, counters("moved_home_to_foreign")),
        (8, "mnMoveFromFAToFA", COUNTER, counters("moved_foreign_to_foreign")),
        (9, "mnMoveFromFAToHA", COUNTER, counters("moved_foreign_to_home")),
        (10, "mnGratuitousARPsSend", COUNTER, counters("gratuitous_arp_sent")),
        (11, "mnAgentRebootsDectected", COUNTER, counters("agent_restarted")),
    )
    + _group(
        _MN_REGISTRATION,
        (ROUTER,),
        (2, "mnRegRequestsSent", COUNTER, counters("request_sent")),
        (3, "mnDeRegRequestsSent", COUNTER, counters("deregistration_sent")),
        (4, "mnRegRepliesRecieved", COUNTER, counters("reply_received")),
        (5, "mnDeRegRepliesRecieved", COUNTER, counters("reply_received_deregistered")),
        (6, "mnRepliesInvalidHomeAddress", COUNTER, counters("reply_for_another")),
        (7, "mnRepliesUnknownHA", COUNTER, counters("reply_from_elsewhere")),
        (8, "mnRepliesUnknownFA", COUNTER, counters("reply_from_other_agent")),
        (9, "mnRepliesInvalidID", COUNTER, counters("reply_not_awaited")),
        (10, "mnRepliesDroppedInvalidExtension", COUNTER, counters("reply_malformed")),
        (11, "mnRepliesIgnoredUnknownExtension", COUNTER, counters("reply_unknown_extension")),
        (
            12,
            "mnRepliesHAAuthenticationFailure",
            COUNTER,
            counters("reply_not_authenticated", "reply_false_authenticator"),
        ),
        (
            13,
            "mnRepliesFAAuthenticationFailure",
            COUNTER,
            counters("agent_not_authenticated", "agent_false_authenticator"),
        ),
        (14, "mnRegRequestsAccepted", COUNTER, codes("reply_", 0, 1)),
        (15, "mnRegRequestsDeniedByHA", COUNTER, codes("reply_", 128, 191)),
        (
            16,
            "mnRegRequestsDeniedByFA",
            COUNTER,
            codes("reply_", 64, 127),
            codes("denied_by_agent_", 64, 127),
        ),
        (17, "mnRegRequestsDeniedByHADueToID", COUNTER, counters("reply_133")),
        (18, "mnRegRequestsWithDirectedBroadcast", COUNTER, counters("request_to_any_home_agent")),
    )
    + _group(
        _MA_ADVERTISEMENT,
        AGENTS,
        (2, "maAdvertisementsSent", COUNTER, counters("advertisement_sent")),
        (3, "maAdvsSentForSolicitation", COUNTER, counters("advertisement_solicited")),
        (4, "maSolicitationsReceived", COUNTER, counters("solicitation", "solicitation_limited")),
    )
    + _group(
        _FA_ADVERTISEMENT,
        (FOREIGN,),
        (1, "faIsBusy", TRUTH, fact("busy")),
        (2, "faRegistrationRequired", TRUTH, fact("registration_required")),
    )
    + _group(
        _FA_REGISTRATION,
        (FOREIGN,),
        (2, "faRegRequestsReceived", COUNTER, counters("visitor_request")),
        (3, "faRegRequestsRelayed", COUNTER, counters("visitor_request_relayed")),
        (4, "faReasonUnspecified", COUNTER, counters("visitor_denied_64")),
        (5, "faAdmProhibited", COUNTER, counters("visitor_denied_65")),
        (6, "faInsufficientResource", COUNTER, counters("visitor_denied_66")),
        (7, "faMNAuthenticationFailure", COUNTER, counters("visitor_denied_67")),
        (8, "faRegLifetimeTooLong", COUNTER, counters("visitor_denied_69")),
        (9, "faPoorlyFormedRequests", COUNTER, counters("visitor_denied_70")),
        (10, "faEncapsulationUnavailable", COUNTER, counters("visitor_denied_72")),
        (11, "faVJCompressionUnavailable", COUNTER, counters("visitor_denied_73")),
        (12, "faHAUnreachable", COUNTER, codes("visitor_denied_", 80, 95)),
        (13, "faRegRepliesRecieved", COUNTER, counters("visitor_reply")),
        (14, "faRegRepliesRelayed", COUNTER, codes("visitor_reply_", 0, 255)),
        (15, "faHAAuthenticationFailure", COUNTER, counters("visitor_denied_68")),
        (16, "faPoorlyFormedReplies", COUNTER, counters("visitor_denied_71", "visitor_error_71")),
    )
    + _group(
        _HA_REGISTRATION,
        (HOME,),
        (3, "haRegistrationAccepted", COUNTER, counters("reply_0")),
        (4, "haMultiBindingUnsupported", COUNTER, counters("reply_1")),
        (5, "haReasonUnspecified", COUNTER, counters("reply_128")),
        (6, "haAdmProhibited", COUNTER, counters("reply_129")),
        (7, "haInsufficientResource", COUNTER, counters("reply_130")),
        (8, "haMNAuthenticationFailure", COUNTER, counters("reply_131")),
        (9, "haFAAuthenticationFailure", COUNTER, counters("reply_132")),
        (10, "haIDMismatch", COUNTER, counters("reply_133")),
        (11, "haPoorlyFormedRequest", COUNTER, counters("reply_134")),
        (12, "haTooManyBindings", COUNTER, counters("reply_135")),
        (13, "haUnknownHA", COUNTER, counters("reply_136")),
        (14, "haGratuitiousARPsSent", COUNTER, counters("gratuitous_arp_sent")),
        # The kernel answers; what can be counted is how often it was told to.
        (15, "haProxyARPsSent", COUNTER, counters("proxy_set")),
        (16, "haRegRequestsReceived", COUNTER) + _HEARD,
        (17, "haDeRegRequestsReceived", COUNTER, counters("request_deregister")),
        (18, "haRegRepliesSent", COUNTER, codes("reply_", 0, 255), counters("request_repeated")),
        (19, "haDeRegRepliesSent", COUNTER, counters("reply_deregister")),
    )
)

# -- Tables ---------------------------------------------------------------------------------------------
TABLES = (
    _table(
        "mipSecAssocTable",
        _SECURITY + (1,),
        (("peer", "address"), ("spi", "number")),
        ANY,
        ("associations", "peers"),
        # HMAC is neither of the modes that 1996 knew.
        (3, "mipSecAlgorithmType", _choice("other", "md5"), cell("algorithm_type")),
        (4, "mipSecAlgorithmMode", _choice("other", "prefixSuffix"), fixed("other")),
        (5, "mipSecKey", OCTETS, fixed("")),  # "will always return zero length value"
        (6, "mipSecReplayMethod", _choice("other", "timestamps", "nonces"), cell("replay")),
    ),
    _table(
        "mipSecViolationTable",
        _SECURITY + (3,),
        (("address", "address"),),
        ANY,
        ("violations",),
        (2, "mipSecViolationCounter", COUNTER, cell("count")),
        (3, "mipSecRecentViolationSPI", INTEGER, low("spi")),
        (4, "mipSecRecentViolationTime", TIME, age("ago_ms")),
        (5, "mipSecRecentViolationIDLow", INTEGER, low("identification")),
        (6, "mipSecRecentViolationIDHigh", INTEGER, high("identification")),
        (7, "mipSecRecentViolationReason", _choice(*REASONS), cell("reason")),
    ),
    _table(
        "mnHATable",
        _MN_SYSTEM + (3,),
        (("home_agent", "address"),),
        (ROUTER,),
        ("home_agents",),
        (2, "mnCurrentHA", TRUTH, cell("current")),
        (3, "mnHAStatus", ROW, fixed("active")),
    ),
    _table(
        "mnFATable",
        _MN_DISCOVERY + (1,),
        (("agent", "address"), ("care_of", "address")),
        (ROUTER,),
        ("foreign_agents",),
        (1, "mnFAAddress", ADDRESS, cell("agent")),
        (2, "mnCOA", ADDRESS, cell("care_of")),
    ),
    _table(
        "mnRegistrationTable",
        _MN_REGISTRATION + (1,),
        (("to", "address"), ("care_of", "address")),
        (ROUTER,),
        ("requests",),
        (1, "mnRegAgentAddress", ADDRESS, cell("to")),
        (2, "mnRegCOA", ADDRESS, cell("care_of")),
        (3, "mnRegFlags", REGISTRATION_FLAGS, cell("flags")),
        (4, "mnRegIDLow", INTEGER, low("identification")),
        (5, "mnRegIDHigh", INTEGER, high("identification")),
        (6, "mnRegTimeRequested", INTEGER, cell("lifetime_s")),
        (7, "mnRegTimeRemaining", GAUGE, cell("remaining_s")),
        (8, "mnRegTimeSent", TIME, age("sent_ago_ms")),
        (9, "mnRegIsAccepted", TRUTH, cell("accepted")),
        (10, "mnCOAIsLocal", TRUTH, cell("co_located")),
    ),
    _table(
        "maAdvConfigTable",
        _MA_ADVERTISEMENT + (1,),
        (("address", "address"),),
        AGENTS,
        ("links",),
        (2, "maAdvMaxRegLifetime", _whole(0, 65535), cell("lifetime_max_s")),
        (3, "maAdvPrefixLengthInclusion", TRUTH, cell("prefix_lengths")),
        (4, "maAdvAddress", ADDRESS, fixed("224.0.0.1")),
        (5, "maAdvMaxInterval", _whole(4, 1800), cell("interval_max_s")),
        (6, "maAdvMinInterval", _whole(3, 1800), cell("interval_min_s")),
        (7, "maAdvMaxAdvLifetime", _whole(4, 9000), cell("lifetime_s")),
        (8, "maAdvResponseSolicitationOnly", TRUTH, fixed(False)),
        (9, "maAdvStatus", ROW, cell("status")),
    ),
    _table(
        "faCOATable",
        _FA_SYSTEM + (1,),
        (("care_of", "address"),),
        (FOREIGN,),
        ("care_of",),
        (2, "faCOAStatus", ROW, fixed("active")),
    ),
    _table(
        "faVisitorTable",
        _FA_REGISTRATION + (1,),
        (("source", "address"),),
        (FOREIGN,),
        ("visitors", "pending"),
        (1, "faVisitorIPAddress", ADDRESS, cell("source")),
        (2, "faVisitorHomeAddress", ADDRESS, cell("home_address")),
        (3, "faVisitorHomeAgentAddress", ADDRESS, cell("home_agent")),
        (4, "faVisitorTimeGranted", INTEGER, cell("lifetime_s")),
        (5, "faVisitorTimeRemaining", GAUGE, cell("lifetime_left_s")),
        (6, "faVisitorRegFlags", REGISTRATION_FLAGS, cell("flags")),
        (7, "faVisitorRegIDLow", INTEGER, low("identification")),
        (8, "faVisitorRegIDHigh", INTEGER, high("identification")),
        (9, "faVisitorRegIsAccepted", TRUTH, cell("accepted")),
    ),
    _table(
        "haMobilityBindingTable",
        _HA_REGISTRATION + (1,),
        (("home_address", "address"), ("care_of", "address")),
        (HOME,),
        ("bindings",),
        (1, "haMobilityBindingMN", ADDRESS, cell("home_address")),
        (2, "haMobilityBindingCOA", ADDRESS, cell("care_of")),
        (3, "haMobilityBindingSourceAddress", ADDRESS, cell("source")),
        (4, "haMobilityBindingRegFlags", REGISTRATION_FLAGS, cell("flags")),
        (5, "haMobilityBindingRegIDLow", INTEGER, low("identification")),
        (6, "haMobilityBindingRegIDHigh", INTEGER, high("identification")),
        (7, "haMobilityBindingTimeGranted", INTEGER, cell("lifetime_s")),
        (8, "haMobilityBindingTimeRemaining", GAUGE, cell("lifetime_left_s")),
    ),
    _table(
        "haCounterTable",
        _HA_REGISTRATION + (2,),
        (("home_address", "address"),),
        (HOME,),
        ("nodes",),
        (2, "haServiceRequestsAccepted", COUNTER, cell("accepted")),
        (3, "haServiceRequestsDenied", COUNTER, cell("denied")),
        (4, "haOverallServiceTime", GAUGE, cell("service_s")),
        (5, "haRecentServiceAcceptedTime", TIME, age("accepted_ago_ms")),
        (6, "haRecentServiceDeniedTime", TIME, age("denied_ago_ms")),
        (
            7,
            "haRecentServiceDeniedCode",
            _syntax("INTEGER", "integer", {FIRST_DENIAL + n: name for n, name in enumerate(DENIALS)}),
            cell("denied_reason"),
        ),
    ),
)
