#!/bin/sh
# Run by the feeds' CI on an OpenWrt with the package installed: test.sh PACKAGE VERSION.

case "$1" in
careof-tunneld | careof-keyd)
	said="$("$1" --version)"
	;;
careof)
	said="$(careof --version)"
	;;
*)
	exit 0
	;;
esac
[ "$said" = "$1 $2" ] || {
	echo "$1 says that it is '$said', not '$1 $2'" >&2
	exit 1
}
