# /etc/profile.d/careof-console.sh: who logged in at careof's serial port gets the console instead of a shell.
if [ -n "$CAREOF_CONSOLE_LOGIN" ]; then
	unset CAREOF_CONSOLE_LOGIN
	exec careof console
fi
