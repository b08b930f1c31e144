# What the guest checks: one function a check, run by `init` in a shell that ends with the first
# command that fails. $A and $B are one directory, on two mounts that are two clients of the server.

differ() {
    echo "$*"
    exit 1
}

# Wants a file to hold these words.
holds() {
    [ "$(cat "$1")" = "$2" ] || differ "$1 holds $(head -c 100 "$1"), not $2"
}

# The mount is what its options say.
check_mount() {
    local data=/proc/fs/cifs/DebugData dialect
    case ,$options, in
    *,vers=2.0,*) dialect=0x202 ;;
    *,vers=2.1,*) dialect=0x210 ;;
    *,vers=3.0,*) dialect=0x300 ;;
    *,vers=3.0.2,*) dialect=0x302 ;;
    *) dialect=0x311 ;;
    esac
    cat $data
    grep -q "Dialect $dialect" $data || differ "not dialect $dialect"
    case ,$options, in
    *,seal,*) grep -q Encrypted $data || differ "not encrypted" ;;
    *,sign,*) grep -q signed $data || differ "not signed" ;;
    esac
    df /mnt/a | tail -n 1 | grep -q '[1-9]' || differ "no room in df"
}

# A source tree, as the other client sees it as well. The runner compares it on the server's disk.
check_tree() {
    mkdir "$A/tree"
    tar -xf /source.tar -C "$A/tree"
    for place in "$A" "$B"; do
        say "step $place"
        cd "$place/tree"
        md5sum -c /source.md5 >/tmp/sums || differ "$(grep -v ': OK' /tmp/sums)"
    done
}

# A compiler reads, writes and links on the mount, and its program runs from there.
check_build() {
    mkdir "$A/build"
    cp /helper-source/* "$A/build"
    cd "$A/build"
    sh ./build.sh
    ./helper sizes "$A/build/sizes"
    rm main.o fsx.o locks.o files.o writers.o
}

check_fsx() {
    helper fsx "$A/fsx" /tmp/twin "$SEED" 250 1
    cmp "$A/fsx" /tmp/twin
    cmp "$B/fsx" /tmp/twin
    rm "$A/fsx" /tmp/twin
}

check_rename() {
    mkdir "$A/one" "$A/two"
    cd "$A"
    echo first >one/x
    mv one/x two/y
    [ ! -e one/x ] || differ "the old name is still there"
    holds two/y first
    echo second >one/z
    mv one/z two/y
    holds two/y second
    mv two one/below
    holds one/below/y second
    mv one/below/y one/again
    [ "$(ls one)" = "$(printf 'again\nbelow')" ] || differ "one holds $(ls one)"
    holds "$B/one/again" second
    rm -r one
    [ ! -e "$B/one" ] || differ "the other client still sees it"
}

check_unlinked() {
    local begun=$(date +%s)
    helper unlinked "$A/unlinked" "$B/unlinked"
    # A break that is not answered ends after 35 seconds.
    [ $(($(date +%s) - begun)) -lt 20 ] || differ "a break was not answered"
    [ -z "$(ls -A "$A" | grep unlinked)" ] || differ "left: $(ls -A "$A")"
}

check_sizes() { helper sizes "$A/sizes"; }
check_mapped() { helper mapped "$A/mapped"; }
check_times() { helper times "$A/times" "$B/times"; }
check_locks() { helper locks "$A/locks" "$B/locks"; }

check_list() {
    mkdir "$A/many"
    cd "$A/many"
    local i=0
    while [ $i -lt 1200 ]; do
        : >"a file with a long name, as there are many, number $i"
        i=$((i + 1))
        [ $((i % 100)) != 0 ] || say "step $i"
    done
    for place in "$A" "$B"; do
        i=$(ls "$place/many" | sort -u | wc -l)
        [ "$i" = 1200 ] || differ "$i names instead of 1200 in $place"
        say "step $place"
    done
    cd "$A"
    rm -r many
    [ ! -e "$B/many" ] || differ "the other client still sees it"
}

check_symlink() {
    cd "$A"
    echo behind >target
    ln -s target link
    ln -s nowhere dangling
    [ "$(readlink link)" = target ] || differ "readlink: $(readlink link)"
    holds link behind
    [ "$(readlink "$B/dangling")" = nowhere ] || differ "readlink: $(readlink "$B/dangling")"
    [ -L "$B/link" ] || differ "the other client sees no link"
    rm link dangling
    holds target behind
}

check_hardlink() {
    cd "$A"
    echo both >here
    ln here there
    echo more >>there
    holds here "$(printf 'both\nmore')"
    rm here
    holds "$B/there" "$(printf 'both\nmore')"
}

# What one client writes and closes, the other opens and reads.
check_coherent() {
    local i=0
    while [ $i -lt 30 ]; do
        echo "turn $i" >"$A/turns"
        holds "$B/turns" "turn $i"
        i=$((i + 1))
        echo "turn $i, and back" >"$B/turns"
        holds "$A/turns" "turn $i, and back"
    done
}

# Both write at the same time, and cache what they may.
check_writers() {
    helper writers "$A/writers" "$B/writers" 150
    sum=$(md5sum <"$A/writers")
    [ "$(md5sum <"$B/writers")" = "$sum" ] || differ "the other client sees other bytes"
}

# Wants a command to succeed within two seconds: names and sizes may be that old.
soon() {
    local tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 20 ] || differ "not after two seconds: $*"
        sleep 0.1
    done
}

gone() { [ ! -e "$1" ]; }
is() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }

# What the other client renames, replaces and deletes while this one has it in its cache.
check_moved() {
    mkdir "$A/moved"
    cd "$A/moved"
    echo first >x
    echo second >y
    holds x first
    holds y second
    mv "$B/moved/x" "$B/moved/z"
    soon gone x
    holds z first
    mv "$B/moved/y" "$B/moved/z"
    # In this order: while the client caches the file under its new name, it believes in the old one too.
    soon gone y
    soon is z second
    rm "$B/moved/z"
    soon gone z
    echo third >z
    holds "$B/moved/z" third
    cd "$A"
    mv "$B/moved" "$B/elsewhere"
    soon is elsewhere/z third
    rm -r "$B/elsewhere"
    soon gone elsewhere
}

# The handles of a file that the client has on the server: also those that no program has open any more.
handles() {
    grep -c " $1\$" /proc/fs/cifs/open_files || :
}

# With a lease on handles the client keeps a file open for a while after its last close, opens it again
# without asking, and closes it when somebody else wants it gone.
check_deferred() {
    cd "$A"
    echo kept >deferred
    holds deferred kept
    local open=$(handles deferred)
    [ "$open" -gt 0 ] || differ "closed at once"
    holds deferred kept
    [ "$(handles deferred)" = "$open" ] || differ "$(handles deferred) handles instead of $open"
    echo more >>deferred
    holds "$B/deferred" "$(printf 'kept\nmore')"
    holds deferred "$(printf 'kept\nmore')"
    local begun=$(date +%s)
    rm "$B/deferred"
    [ $(($(date +%s) - begun)) -lt 10 ] || differ "the break was not answered"
    soon gone deferred
    [ "$(handles deferred)" = 0 ] || differ "still open"
}

# Without: a closed file is closed.
check_undeferred() {
    cd "$A"
    echo closed >undeferred
    holds undeferred closed
    cat /proc/fs/cifs/open_files
    [ "$(handles undeferred)" = 0 ] || differ "open after the close"
    ls >/dev/null
    echo new >"$B/beside"
    soon is beside new
    rm "$B/undeferred" "$B/beside"
    soon gone undeferred
}

check_names() {
    mkdir "$A/names"
    cd "$A/names"
    for name in 'zwölf' 'a b' ' front' 'UPPER' "it's" 'semi;colon' 'per%cent' '.hidden' '日本語' \
        "$(printf '%0255d' 7)"; do
        echo "$name" >"$name"
        holds "$B/names/$name" "$name"
    done
    [ "$(ls -A | wc -l)" = 10 ] || differ "listed: $(ls -A)"
}

# Names that Windows cannot say: the client maps them to private characters, the backslash excepted.
check_reserved() {
    mkdir "$A/reserved"
    cd "$A/reserved"
    for name in 'a:b' 'what?' 'st*r' '<less' 'more>' 'pi|pe' 'quo"te' 'dot.' 'space '; do
        echo "$name" >"$name"
        holds "$B/reserved/$name" "$name"
    done
    ls "$B/reserved" | grep -qxF 'a:b' || differ "listed: $(ls "$B/reserved")"
    [ "$(ls | wc -l)" = 9 ] || differ "listed: $(ls)"
}

check_readonly() {
    cd "$A"
    echo before >fixed
    chmod 444 fixed
    if echo after 2>/dev/null >>"$B/fixed"; then
        differ "a read-only file was written"
    fi
    holds fixed before
    chmod 644 fixed
    echo after >>"$B/fixed"
    holds "$B/fixed" "$(printf 'before\nafter')"
}

# The disk of the share `full` is small: what does not fit is refused, and what was there stays.
check_full() {
    mounted full /mnt/full
    local status=0
    echo kept >/mnt/full/kept
    dd if=/dev/zero of=/mnt/full/big bs=64k count=400 conv=fsync 2>/tmp/dd || status=$?
    cat /tmp/dd
    [ $status != 0 ] || differ "25 MB fit into 8"
    grep -q 'No space left' /tmp/dd || differ "another error"
    holds /mnt/full/kept kept
    rm /mnt/full/big
    dd if=/dev/zero of=/mnt/full/less bs=64k count=16 conv=fsync
    rm /mnt/full/less /mnt/full/kept
    umount /mnt/full
}

pulled() {
    ifconfig eth0 down
    sleep "$1"
    network
}

# A short break: TCP sends again, and nobody is the wiser.
check_break() {
    helper slow-write "$A/break" 4 >/tmp/writer &
    sleep 1
    pulled 2
    wait $! || differ "$(cat /tmp/writer)"
    holds "$B/break" "$(cat "$A/break")"
}

# A long one: the client gives the connection up, and opens its files again on a new one.
check_reconnect() {
    helper slow-write "$A/reconnect" 9 >/tmp/writer &
    sleep 1
    pulled 7
    wait $! || differ "$(cat /tmp/writer)"
    sum=$(md5sum <"$A/reconnect")
    [ "$(md5sum <"$B/reconnect")" = "$sum" ] || differ "the other client sees other bytes"
    dmesg | grep -q 'has not responded' || differ "the client kept its connection"
}

# Has the runner do what cannot be done from here.
ask() {
    local answer
    say "ask $1"
    read -r answer <&3
    [ "$answer" = done ] || differ "the runner said: $answer"
}

# The server is ended and started again by the runner while a file is being written.
check_restart() {
    helper slow-write "$A/restart" 6 >/tmp/writer &
    sleep 1
    ask restart
    wait $! || differ "$(cat /tmp/writer)"
    sum=$(md5sum <"$A/restart")
    [ "$(md5sum <"$B/restart")" = "$sum" ] || differ "the other client sees other bytes"
}

# Each mount has four connections, and the server sees all of them at work.
check_channels() {
    local data=/proc/fs/cifs/DebugData
    [ "$(grep -c 'Extra Channels: 3' $data)" = 2 ] ||
        differ "$(grep -A3 -e Extra -e 'Server interfaces' $data) $(dmesg | grep channel | tail -n 4)"
    ask channels
}

# Writes for so long, and lets the runner do something meanwhile. What is being sent or flushed on a lost
# connection fails, which this client tells its programs even on a hard mount: they have to write it again. What
# has succeeded is there.
steadily() {
    helper steady-write "$A/$2" "$1" 300 >/tmp/writer &
    local writer=$!
    soon [ -s "$A/$2" ]
    ask "$2"
    wait $writer || differ "$(cat /tmp/writer)"
    sum=$(md5sum <"$A/$2")
    [ "$(md5sum <"$B/$2")" = "$sum" ] || differ "the other client sees other bytes"
    rm "$A/$2"
}

# A connection is cut while a file is written, a second time the one that the session began with.
check_cut() {
    steadily 6 cut
    steadily 6 cut-first
}

# The address of a connection is not reached for a while.
check_unplugged() {
    steadily 10 unplug
    dmesg | grep -q 'has not responded' || differ "the client kept its connection"
}

# The server is killed by the runner while a file is written, and another one is started: the writing goes on
# with the handle that it has, which the runner sees to.
check_failover() {
    grep -q 'persistent' /proc/mounts || differ "no persistent handles: $(grep cifs /proc/mounts)"
    steadily 6 failover
}
