#!/bin/sh
# shellcheck shell=dash disable=SC1091,SC2034,SC2154
# The protocol `careof` of netifd: a mobile router as an interface like any other.
#
#     config interface 'office'
#         option proto 'careof'
#         option router 'branch'      the mobile_router of /etc/config/careof; default: the only one
#
# It is up while a path carries (ifstatus office; firewall zones apply to it by its name), and otherwise has the
# reason in words among its errors. Addresses, routes and rules are careof-tunneld's own: netifd is only told.

[ -n "$INCLUDE_ONLY" ] || {
	. /lib/functions.sh
	. ../netifd-proto.sh
	init_proto "$@"
}

IS_UP=/var/run/careof.interface

proto_careof_init_config() {
	no_device=1
	available=1
	lasterror=1
	renew_handler=1
	proto_config_add_string router
	proto_config_add_defaults
}

proto_careof_setup() {
	local interface="$1" router

	json_get_vars router
	touch "$IS_UP"
	/etc/init.d/careof start
	proto_run_command "$interface" /usr/libexec/careof/interface "$interface" "$router"
}

# Asked again for what may have changed, without anything being torn down.
proto_careof_renew() {
	/etc/init.d/careof reload
}

proto_careof_teardown() {
	local interface="$1"

	proto_kill_command "$interface"
	rm -f "$IS_UP"
	# Agents go on for others; a router alone takes its leave. Either is what `start` finds to be wanted now.
	/etc/init.d/careof released
}

[ -n "$INCLUDE_ONLY" ] || {
	add_protocol careof
}
