"""Guesses passwords from an address of its own, over many connections at once, for some seconds; then, from
the same address, logs on with the right one. Says `guesses N`, and `right SECONDS`.

usage: guessing.py HOST PORT FROM USER PASSWORD CONNECTIONS SECONDS
"""

import itertools
import socket
import sys
import threading
import time
import uuid

from smbprotocol.connection import Connection
from smbprotocol.exceptions import LogonFailure
from smbprotocol.session import Session

plain = socket.create_connection


def attempt(host, port, user, password):
    connection = Connection(uuid.uuid4(), host, port)
    connection.connect(timeout=20)
    try:
        Session(connection, user, password, require_encryption=False, auth_protocol="ntlm").connect()
    finally:
        connection.disconnect(close=False)


def main():
    host, port, source, user, password, connections, seconds = sys.argv[1:]
    port, until = int(port), time.monotonic() + float(seconds)
    guesses = itertools.count()

    def connect_from(address, *arguments, **named):
        return plain(address, *arguments, **{**named, "source_address": (source, 0)})

    socket.create_connection = connect_from

    def guess():
        while time.monotonic() < until:
            try:
                attempt(host, port, user, f"wrong {time.monotonic()}")
            except LogonFailure:
                next(guesses)

    threads = [threading.Thread(target=guess) for _ in range(int(connections))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("guesses", next(guesses), flush=True)
    begun = time.monotonic()
    attempt(host, port, user, password)
    print("right", round(time.monotonic() - begun, 2), flush=True)


main()
