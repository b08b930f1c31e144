#!/bin/sh
# Copies a file to the server and back with GNOME's gvfs, lists, renames and deletes. It has to run under
# dbus-run-session, in a directory of its own that has the file `big`.
#
# usage: gvfs.sh URL USER PASSWORD
set -e
url=$1
export HOME="$PWD/home" XDG_RUNTIME_DIR="$PWD/run" LC_ALL=C.UTF-8
mkdir -p "$HOME" && mkdir -p -m 700 "$XDG_RUNTIME_DIR/gvfsd"

printf '%s\nWORKGROUP\n%s\n' "$2" "$3" | gio mount "$url"
gio mkdir "$url/below"
gio copy big "$url/below/one"
[ "$(gio list "$url/below")" = one ]
gio info "$url/below/one" | grep -q "size:  *$(stat -c %s big)$"
gio copy "$url/below/one" back
cmp big back
gio rename "$url/below/one" zwölf
[ "$(gio list "$url/below")" = zwölf ]
gio remove "$url/below/zwölf"
gio remove "$url/below"
[ -z "$(gio list "$url")" ]
gio mount -u "$url"
