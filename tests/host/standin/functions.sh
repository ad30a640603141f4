# shellcheck shell=dash
# What init scripts and packages of OpenWrt find in /lib/functions.sh: as much of it as ours use, with the same
# meaning, for tests beside the real uci, opkg and apk.

config_load() {
	CONFIG_SECTIONS=
	CONFIG_NUMBER=0
	eval "$(uci -n export "$1" 2>/dev/null)"
}

package() {
	return 0
}

config() {
	CONFIG_NUMBER=$((CONFIG_NUMBER + 1))
	CONFIG_SECTION="${2:-cfg$CONFIG_NUMBER}"
	CONFIG_SECTIONS="$CONFIG_SECTIONS $CONFIG_SECTION"
	eval "CONFIG_${CONFIG_SECTION}_TYPE=\$1"
}

option() {
	eval "CONFIG_${CONFIG_SECTION}_$1=\$2"
}

list() {
	eval "CONFIG_${CONFIG_SECTION}_$1=\"\${CONFIG_${CONFIG_SECTION}_$1} \$2\""
}

config_get() {
	eval "$1=\"\${CONFIG_$2_$3:-\$4}\""
}

config_get_bool() {
	config_get "$@"
	eval "case \"\$$1\" in 1 | on | true | yes | enabled) $1=1 ;; *) $1=0 ;; esac"
}

config_foreach() {
	local each="$1" kind="$2" section type

	for section in $CONFIG_SECTIONS; do
		config_get type "$section" TYPE
		case "$kind" in
		'' | "$type") "$each" "$section" ;;
		esac
	done
}

_listed() {
	cat "/usr/lib/opkg/info/$pkgname.list" "/lib/apk/packages/$pkgname.list" 2>/dev/null
}

add_group_and_user() {
	local rusers user

	rusers="$(sed -ne 's/^Require-User: *//p' "/usr/lib/opkg/info/$pkgname.control" 2>/dev/null)"
	[ ! -f "/lib/apk/packages/$pkgname.rusers" ] || rusers="$(cat "/lib/apk/packages/$pkgname.rusers")"
	for user in $rusers; do
		user="${user%%:*}"
		grep -q "^$user:" /etc/group || groupadd "$user"
		grep -q "^$user:" /etc/passwd || useradd -g "$user" -s /bin/false "$user"
	done
}

default_postinst() {
	local file

	[ -n "$pkgname" ] || pkgname="$(basename "${1%.*}")"
	echo "postinst $pkgname upgrade=${PKG_UPGRADE:-0}" >>/run/log/packages
	add_group_and_user
	for file in $(_listed | grep '^/etc/uci-defaults/'); do
		# shellcheck disable=SC1090
		[ -f "$file" ] && (. "$file") && rm -f "$file"
	done
	for file in $(_listed | grep '^/etc/init.d/'); do
		[ "$PKG_UPGRADE" = 1 ] || "$file" enable
		"$file" start
	done
	return 0
}

default_prerm() {
	local file

	[ -n "$pkgname" ] || pkgname="$(basename "${1%.*}")"
	echo "prerm $pkgname upgrade=${PKG_UPGRADE:-0}" >>/run/log/packages
	for file in $(_listed | grep '^/etc/init.d/'); do
		[ "$PKG_UPGRADE" = 1 ] || "$file" disable
		"$file" stop
	done
	return 0
}
