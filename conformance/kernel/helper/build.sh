# Builds the helper where it is called: by the runner for the guest, and in the guest on its mount.
set -e
musl=/usr/lib/x86_64-linux-musl
tcc=/usr/lib/x86_64-linux-gnu/tcc
for part in main fsx locks files writers; do
    tcc -Wall -nostdinc -I$tcc/include -I/usr/include/x86_64-linux-musl -c -o $part.o $part.c
done
tcc -static -nostdlib -o helper $musl/crt1.o $musl/crti.o main.o fsx.o locks.o files.o writers.o \
    $musl/libc.a $tcc/libtcc1.a $musl/crtn.o
