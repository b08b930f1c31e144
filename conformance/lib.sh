# What conformance/run and conformance/bench share. Sourced by both, from the project's root.

# Installs Debian packages when a test for them fails: need PACKAGE COMMAND [ARGUMENT...].
missing=()
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 </dev/null || missing+=("$package")
}

# Installs what is missing; says what to do when it may not.
install_missing() {
    ((${#missing[@]})) || return 0
    echo "installing ${missing[*]}"
    local as_root=()
    if ((EUID != 0)); then
        as_root=(sudo -n)
    fi
    if ! "${as_root[@]}" bash -c "$install_script" install "${missing[@]}" \
        </dev/null >"$out/apt.log" 2>&1
    then
        tail -n 5 "$out/apt.log"
        echo "Could not install them. Please do so yourself, as root:"
        echo "    apt-get install ${missing[*]}"
        return 1
    fi
    missing=()
}

# They are wanted as programs: winbind, which comes with smbtorture, and smbd are not to be started.
install_script='
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap "rm -f $policy" EXIT
    printf "#!/bin/sh\nexit 101\n" >$policy && chmod 755 $policy || exit 1
fi
apt-get -qq update && apt-get -qq -y install --no-install-recommends "$@"
'

# The Python clients that Debian does not have, in a virtual environment of their own.
python_clients() {
    local venv=$out/venv wanted=conformance/clients/requirements.txt
    cmp -s "$wanted" "$venv/installed" && return 0
    echo "installing $(tr '\n' ' ' <"$wanted")from PyPI"
    if /usr/bin/python3 -m venv "$venv" >"$out/pip.log" 2>&1 </dev/null &&
        "$venv/bin/pip" install -q --disable-pip-version-check -r "$wanted" \
            >>"$out/pip.log" 2>&1 </dev/null
    then
        cp "$wanted" "$venv/installed"
    else
        tail -n 3 "$out/pip.log"
        echo "Could not install them: their checks are skipped."
    fi
}

# A kernel for the guest of the suite `kernel`: unpacked from Debian's package, not installed.
guest_kernel() {
    local kernel=$out/kernel package name
    [[ -e $kernel/unpacked ]] && return 0
    rm -rf "$kernel" && mkdir -p "$kernel" || return 0
    for package in linux-image-cloud-amd64 linux-image-amd64; do
        name=$(apt-cache depends "$package" 2>/dev/null | awk '/Depends: linux-image/ { print $2; exit }')
        [[ $name ]] || continue
        echo "fetching $name for the guest"
        (cd "$kernel" && apt-get -qq download "$name" && dpkg-deb -x ./*.deb . && rm ./*.deb) \
            >"$out/kernel.log" 2>&1 </dev/null || continue
        busybox depmod -b "$(realpath "$kernel")" "${name#linux-image-}" >>"$out/kernel.log" 2>&1 || continue
        touch "$kernel/unpacked"
        return 0
    done
    echo "There is no kernel for the guest: the suite kernel is skipped."
}

build() {
    cargo build --release -p ksmbd-mountd -p ksmbd-adduser -p ksmbd-conformance -p ksmbd-load </dev/null &&
        cargo build --release -p ksmbd-fuzz --no-default-features --bin sim --bin ksmbd-replay </dev/null
}
