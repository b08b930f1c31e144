"""Opens many authenticated connections, says "ready", and keeps them until its input ends.

usage: hold.py HOST PORT SHARE USER PASSWORD COUNT
"""

import sys

from impacket.smb3structs import SMB2_DIALECT_30
from impacket.smbconnection import SMBConnection


def main():
    host, port, share, user, password, count = sys.argv[1:]
    held = []
    for _ in range(int(count)):
        client = SMBConnection(host, host, sess_port=int(port), preferredDialect=SMB2_DIALECT_30)
        client.login(user, password)
        client.connectTree(share)
        held.append(client)
    print("ready", flush=True)
    sys.stdin.read()


main()
