#!/bin/sh
# Installs ringfence on a host that takes no RPM, and puts it in force; --remove takes it out of force and away.
# Run from the unpacked tarball as root in dom0. DESTDIR lays files out elsewhere, and puts nothing in force.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
version=$(cat "$here/VERSION")
root=${DESTDIR:-}
home=$root/opt/ringfence
list=$home/MANIFEST # every file of ours, and the folders that came with us

take_away() { # the paths of standard input: files, then the folders that became empty
    sort -r | while read -r path; do
        if [ -d "$root$path" ] && [ ! -L "$root$path" ]; then rmdir "$root$path" 2>/dev/null || :; else rm -f "$root$path"; fi
    done
}

case ${1:-} in
--remove)
    [ -e "$list" ] || { echo "install.sh: ringfence is not installed here by its tarball" >&2; exit 1; }
    shift
    if [ -z "$root" ]; then /opt/ringfence/current/bin/ringfence host uninstall "$@"; fi
    find "$home" -depth -name __pycache__ -exec rm -rf {} +
    paths=$(cat "$list")
    echo "$paths" | take_away
    if [ -z "$root" ]; then systemctl daemon-reload; fi
    exit 0
    ;;
"") ;;
*)
    echo "usage: install.sh [--remove [--open-isolated]]" >&2
    exit 2
    ;;
esac

cd "$here/files"
ours=$(find . -mindepth 1 | cut -c2-)
new=$(echo "$ours" | while read -r path; do
    if [ ! -e "$root$path" ] && [ ! -L "$root$path" ]; then echo "$path"; fi
done)
find . -mindepth 1 -type d | cut -c2- | while read -r path; do mkdir -p "$root$path"; done
find . -mindepth 1 ! -type d | cut -c2- | while read -r path; do
    cp -P "./$path" "$root$path.ringfence-new"
    mv -f "$root$path.ringfence-new" "$root$path"
done
if [ -z "$root" ] && ! "/opt/ringfence/$version/bin/ringfence" host install; then
    echo "install.sh: this version is not in force; its files are taken away again" >&2
    find "$home/$version" -depth -name __pycache__ -exec rm -rf {} +
    echo "$new" | take_away
    exit 1
fi
{
    if [ -e "$list" ]; then cat "$list"; fi
    echo "$new"
    find . -mindepth 1 ! -type d | cut -c2-
    echo /opt/ringfence/MANIFEST
} | sort -u >"$list.new"
mv -f "$list.new" "$list"
for other in "$home"/*/; do # versions that are in force no more
    other=${other%/}
    case $other in "$home/$version" | "$home/current") ;; *) rm -rf "$other" ;; esac
done
