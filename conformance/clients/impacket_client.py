"""Lists, writes, reads, renames and deletes with impacket; exits with 0 when all was as it should be.

usage: impacket_client.py HOST PORT SHARE USER PASSWORD 2.0.2|2.1|3.0|3.1.1
"""

import io
import sys

from impacket.smb3structs import (
    SMB2_DIALECT_002,
    SMB2_DIALECT_21,
    SMB2_DIALECT_30,
    SMB2_DIALECT_311,
)
from impacket.smbconnection import SMBConnection

DIALECTS = {
    "2.0.2": SMB2_DIALECT_002,
    "2.1": SMB2_DIALECT_21,
    "3.0": SMB2_DIALECT_30,
    "3.1.1": SMB2_DIALECT_311,
}


def names(client, share, pattern):
    listed = {entry.get_longname() for entry in client.listPath(share, pattern)}
    return listed - {".", ".."}


def main():
    host, port, share, user, password, dialect = sys.argv[1:]
    client = SMBConnection(host, host, sess_port=int(port), preferredDialect=DIALECTS[dialect])
    assert client.getDialect() == DIALECTS[dialect], hex(client.getDialect())
    client.login(user, password)
    content = bytes(range(256)) * 1200 + b"end"

    client.createDirectory(share, "place")
    client.putFile(share, "place\\one", io.BytesIO(content).read)
    assert names(client, share, "place\\*") == {"one"}
    back = io.BytesIO()
    client.getFile(share, "place\\one", back.write)
    assert back.getvalue() == content, "other bytes came back"

    client.rename(share, "place\\one", "place\\two")
    assert names(client, share, "place\\*") == {"two"}
    assert "place" in names(client, share, "*")
    client.deleteFile(share, "place\\two")
    client.deleteDirectory(share, "place")
    assert names(client, share, "*") == set()
    client.logoff()


main()
