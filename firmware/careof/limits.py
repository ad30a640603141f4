"""Every bound and interval of careofd, with its unit and where it comes from.

What a user may choose is an option (system/options); what is here holds whatever is configured.
"""

# -- Mobile IP ------------------------------------------------------------------------------------
MIP_PORT = 434  # RFC 5944 3.3
LIFETIME_INFINITE_S = 0xFFFF  # RFC 5944 3.3: this value of the field means for ever

# Replay protection
TIMESTAMP_TOLERANCE_MS = 7000  # RFC 5944 5.7.1: the default
RESYNCHRONISE_AT_ONCE = 3  # replies 133 in a row repaired without waiting: one for the clock, one for a
# nonce that another request used up, one to spare

# What a reply teaches (RFC 4433, 5177)
TERMS_REPAIRED_AT_ONCE = 8  # refusals in a row that changed what is asked for: each redirection, and networks
REDIRECTS_MAX = 4  # home agents that send us on to another one
REDIRECT_TRIES = 4  # requests that stay without an answer there, until the configured one is asked again

# Retransmission (RFC 5944 3.6.3)
REQUEST_GAP_MIN_MS = 1000  # never two requests of one association in less
REQUEST_WORK_MS = 100  # added to twice the round trip, for the other side's work
REQUEST_GAP_MAX_MS = 32000  # a lost network is found again within half a minute
REQUEST_JITTER = 4  # up to a quarter later, never sooner
SIMULTANEOUS_MAX = 4  # bindings of one home address: as many as a router has uplinks, and one

# Refusals: first wait, doubled each time up to the longest
REFUSED_WAIT_MAX_MS = 600000
# Renewal: after this share of the granted lifetime (half), so that several repetitions fit into the rest
RENEW_NUMERATOR, RENEW_DENOMINATOR = 1, 2

# NAT traversal (RFC 3519)
KEEPALIVE_S = 110  # 4.9: the default
KEEPALIVE_MIN_S = 10  # 4.10: never less

# Home agent
PENDING_MAX = 256  # messages whose authenticator is being computed; more are dropped and sent again
PENDING_RESERVE = 128  # and so many more for whoever proved something before: a flood does not take these
QUESTION_SLOW_MS = 500  # when one waited so long, the key provider gets no more from who proved nothing
QUESTION_FORGOTTEN_MS = 2000  # by then the key provider lost the question
REFUSALS_PER_S = 20  # replies to requests that prove nothing (131, 133): an oracle and a reflector otherwise
SOURCES = 256  # addresses whose false authenticators are counted apart
SOURCE_FALSE_PER_S = 64  # of one address: a password cannot be tried, nor the key provider kept busy
UNPROVEN_PER_S_MIN = 300  # of all addresses that proved nothing yet: what a small router can verify,
UNPROVEN_SHARE = 10  # or as many as a tenth of the bindings that may be: whoever has those is faster
CONFIRMATIONS_MAX = 1024  # registrations that wait for tunneld's word about their networks
UNDELIVERED_MAX = 256  # prefixes remembered that tunneld could not have delivered to it
TUNNEL_GRACE_MS = 2000  # packets in flight by the old tunnel after a move: a satellite's round trip twice
TUNNEL_HEADERS_MAX = 40  # octets around an inner packet: IPv4, UDP, MIP-UDP's own, GRE with a key
STATUS_ROWS_MAX = 50  # bindings that one status lists: more is for nobody to read, and would hold the loop
POOL_SEARCHES_MAX = 4096  # addresses looked at for a free one: then the longest idle lease is taken instead
REFUSALS_KEPT = 32  # of one role, for `careof registrations`: what a person reads
TRAPS_GAP_MS = 1000  # between looks at who violated security: a violator is told of no more often
TRAPS_AT_ONCE = 16  # notifications of one look; the others are in the next one
TRAPS_RETRY_MS = 5000  # until a careofd is looked for again
TRAPS_SAME_MS = 2000  # two looks differ by less over when the same violation was
VIOLATORS_KEPT = 64  # rows of RFC 2006's mipSecViolationTable; whoever was silent for longest is forgotten
PAGE_ROWS = 16  # rows in one answer about a table: a millisecond or two of MicroPython's on a fast machine,
PAGE_SCANNED = 512  # and so many nodes looked at for them
SAVE_SOON_MS = 50  # what changed together is written together
SAVE_ROWS = 8  # so many rows at a time, others have their turn between,
SAVE_SHARE = 16  # or this part of those that wait: many wait no longer than few
SWEEP_NODES = 16  # nodes that a new configuration is carried out for at a time, or that are held again,
EXPIRED_AT_ONCE = 16  # and bindings that end at a time, when many do
NODES_MAX = 200000  # rows of a file of nodes
READ_PIECE_SIZE = 1024  # octets of a long file that are read at a time
READ_WORK_MS = 4  # and so long at most before others have their turn
READ_MISTAKES_MAX = 20  # of one file that are told; then it is not read on

# Foreign agent
CHALLENGE_SIZE = 8  # octets of a challenge; RFC 4721 2: at least 4
CHALLENGED_MAX = 1024  # mobile nodes of one link whose use of challenges is remembered
PENDING_REPLY_MS = 7000  # RFC 5944 3.7.1: a request without a reply for so long is refused with 78
ERROR_DOUBTED_MS = 1000  # an ICMP error that quotes too little is believed if no reply comes in this time
DENIAL_GAP_MS = 1000  # RFC 5944 3.7.2, RFC 3024 4.2.1: refusals to one mobile node
DENIED_MAX = 256  # mobile nodes whose last refusal is remembered; more are refused without a word
ADVERTISEMENTS_PER_S = 20  # answers to solicitations of one link: a flood makes no more of them
ADVERTISEMENT_GAP_MIN_MS = 100  # RFC 5944 2.3: never two to everybody in less, as no interval is shorter
ADVERTISEMENT_JITTER = 8  # sent up to an eighth of the interval sooner (RFC 1256 4.1: never all together)
INITIAL_ADVERTISEMENTS = 3  # RFC 1256 5.1: the first ones of a link,
INITIAL_INTERVAL_MS = 16000  # at least this often

# Agent discovery (RFC 5944 2.4)
AGENT_OVERDUE_NUMERATOR, AGENT_OVERDUE_DENOMINATOR = 3, 8  # of an advertisement's lifetime: a third is its
# interval (RFC 5944 2.1), and an eighth of that for whatever holds it up
AGENT_ANSWER_MS = 50  # a solicited agent has answered by then: it is a neighbour
AGENTS_HEARD_MAX = 8  # on one link
SOLICITATIONS_FIRST = 3  # without doubling the gap
SOLICITATION_GAP_MS = 1000
SOLICITATION_GAP_MAX_MS = 60000
SOLICITATION_JITTER = 8  # up to an eighth sooner
DENIED_BY_AGENT_MS = 30000  # an agent that refused us is left alone so long, twice as long each time:
DENIALS_DOUBLED_MAX = 4  # at most 8 minutes; whoever has another way would be taken from it each time
HOME_LINK_LENGTH_MIN = 12  # a home link's prefix is no shorter: advertisements are not authenticated
AGENT_TRIES = 3  # requests by an agent without an answer, until another one is tried

# Home link (RFC 5944 4.6)
GRATUITOUS_ARPS = 3  # broadcasts are not repeated by anyone else
GRATUITOUS_GAP_MS = 1000
HOME_REQUESTS_MAX = 64  # deregistrations whose link-layer address is remembered until they are accepted
LINK_RETRY_MS = 2000  # a device that is not there yet is tried again

# Revocation (RFC 3543)
REVOCATION_GAP_MS = 1000  # 3.3: one a second at most; doubled each time
REVOCATION_TRIES = 5  # half a minute: after that the lifetime ends the binding at the other side
REVOCATIONS_MAX = 256  # not acknowledged at a time
REVOKED_REMEMBERED = 256  # bindings that others revoked, to acknowledge a repetition
REVOKED_REMEMBERED_MS = 60000  # longer than all tries of one

# -- The loop -------------------------------------------------------------------------------------
TURN_WORK_MS = 4  # DESIGN 10.5: 5 ms; whoever reads begins nothing more after so long

# -- The store of a careofd without keyd (system.store) ---------------------------------------------
STORE_FILES = 64  # a file is written anew at a time: with 1,000 bindings 4 KB of them
STORE_SLACK_SIZE = 4096  # octets out of date that a file may have, beside as many as are not

# -- keyd ------------------------------------------------------------------------------------------
KEYD_QUESTIONS_MAX = 1024  # asked and not answered, of all roles

# -- Liveness (RFC 6298, DESIGN section 6) ----------------------------------------------------------
PATIENCE_MIN_MS = 100  # below: scheduling noise and a peer's delayed acknowledgement
PATIENCE_MAX_MS = 3000  # above: a user has given up
PATIENCE_FIRST_MS = 300  # before any round trip was measured
PROBES = 3  # unanswered in a row make a path dead: one may be lost, two in a burst
PROBE_IDLE_MS = 15000  # a path without traffic is probed this often
PROBE_IDENTIFIER = 0xCA0F  # ICMP echo identifier of data probes,
PROBES_REMEMBERED = 32  # data probes whose answer is still good for something: those of all uplinks
KEEPALIVE_IDENTIFIER = 0xCA0E  # and of NAT keepalives (another one, so that neither passes for the other)

# -- Uplinks --------------------------------------------------------------------------------------
PROVE_MS = 30000  # an idle uplink is proven this often by a request that asks for no change
PROVE_AFTER_LINK_MS = 200  # and so soon after it came up: addresses settle
PROOF_GOOD_MS = 100000  # three proofs missed, and it is not proven any more
FLAP_PENALTY_MAX = 32  # times the hysteresis that a flapping uplink waits at most
FLAP_FORGIVEN_MS = 120000  # a failure counts half after each such time without one

# -- Mobile router --------------------------------------------------------------------------------
UPLINK_RETRY_MS = 2000  # an uplink that tunneld refused to open is tried again
SETTLE_MAX_MS = 30000  # after a restart: without a binding by then, what tunneld held is swept
GOODBYE_MAX_MS = 3000  # a router that stops waits so long for its deregistration's reply
MOVE_PROBE_MAX_MS = 5000  # a new path that returns no probe in this time is not moved to

# -- Console --------------------------------------------------------------------------------------
CONSOLE_IDLE_MS = 500  # silence after which what was begun (a sequence, a paste) will not be completed
CONSOLE_PASTE_GAP_MS = 30  # octets of a paste follow each other sooner, at 9600 baud 30 of them
CONSOLE_QUEUE_MAX = 4096  # octets of output that wait until the next command is begun: 4 s at 9600 baud
CONSOLE_PINGS = 5
CONSOLE_PACKETS = 100  # of one capture
SUPPORT_OUTPUT_MAX = 65536  # octets of one program's output in a support bundle
