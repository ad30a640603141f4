# shellcheck shell=dash disable=SC1091,SC2154
# A service said to procd over ubus: as much of OpenWrt's /lib/functions/procd.sh as our init script uses, with the
# same messages.

. /usr/share/libubox/jshn.sh

_procd() {
	local before

	json_set_namespace procd before
	"$@"
	# shellcheck disable=SC2086
	json_set_namespace $before
}

_call() {
	ubus call service "$1" "$(json_dump)"
	json_cleanup
}

_open_service() {
	json_init
	json_add_string name "$1"
	json_add_string script "$2"
	json_add_object instances
}

_close_service() {
	json_close_object
	json_add_array triggers
	service_triggers
	json_close_array
	_call set
}

_strings() {
	while [ $# -gt 0 ]; do
		json_add_string "" "$1"
		shift
	done
}

_pairs() {
	while [ $# -gt 0 ]; do
		json_add_string "${1%%=*}" "${1#*=}"
		shift
	done
}

_set_param() {
	local type="$1"

	shift
	case "$type" in
	env | limits)
		json_add_object "$type"
		_pairs "$@"
		json_close_object
		;;
	command | respawn)
		json_add_array "$type"
		_strings "$@"
		json_close_array
		;;
	user | group | capabilities) json_add_string "$type" "$1" ;;
	stdout | stderr | no_new_privs) json_add_boolean "$type" "$1" ;;
	*) echo "procd_set_param $type: not in this stand-in" >&2 && exit 1 ;;
	esac
}

_append_param() {
	json_select "$1"
	shift
	_strings "$@"
	json_select ..
}

_add_jail() {
	json_add_object jail
	json_add_string name "$1"
	shift
	while [ $# -gt 0 ]; do
		json_add_boolean "$1" 1
		shift
	done
	json_add_object mount
	json_close_object
	json_close_object
}

_mount() {
	local writable="$1"

	shift
	json_select jail
	json_select mount
	while [ $# -gt 0 ]; do
		json_add_string "$1" "$writable"
		shift
	done
	json_select ..
	json_select ..
}

# [event, [if, [eq, package, NAME], [run_script, INIT_SCRIPT, reload]], delay_ms]
_reload_trigger() {
	json_add_array ""
	_strings config.change
	json_add_array ""
	_strings if
	json_add_array ""
	_strings eq package "$1"
	json_close_array
	json_add_array ""
	_strings run_script "/etc/init.d/$(basename "$initscript")" reload
	json_close_array
	json_close_array
	json_add_int "" 1000
	json_close_array
}

_kill() {
	json_init
	json_add_string name "$1"
	[ -z "$2" ] || json_add_string instance "$2"
	_call delete
}

procd_open_service() { _procd _open_service "$@"; }
procd_close_service() { _procd _close_service "$@"; }
procd_open_instance() { _procd json_add_object "$@"; }
procd_close_instance() { _procd json_close_object; }
procd_set_param() { _procd _set_param "$@"; }
procd_append_param() { _procd _append_param "$@"; }
procd_add_jail() { _procd _add_jail "$@"; }
procd_add_jail_mount() { _procd _mount 0 "$@"; }
procd_add_jail_mount_rw() { _procd _mount 1 "$@"; }
procd_add_reload_trigger() { _procd _reload_trigger "$@"; }
procd_kill() { _procd _kill "$@"; }
