"""Lists, writes, reads, renames and deletes with pysmb; exits with 0 when all was as it should be.

usage: pysmb_client.py HOST PORT SHARE USER PASSWORD sign|plain
"""

import io
import sys

from smb.SMBConnection import SMBConnection
from smb.smb_structs import OperationFailure


def main():
    host, port, share, user, password, protection = sys.argv[1:]
    options = {
        "sign": SMBConnection.SIGN_WHEN_REQUIRED | SMBConnection.SIGN_WHEN_SUPPORTED,
        "plain": SMBConnection.SIGN_NEVER,
    }
    client = SMBConnection(
        user,
        password,
        "client",
        host,
        use_ntlm_v2=True,
        sign_options=options[protection],
        is_direct_tcp=True,
    )
    assert client.connect(host, int(port)), "the logon was refused"
    assert client.isUsingSMB2, "not SMB2"
    content = bytes(range(256)) * 3000 + b"end"

    assert client.echo(b"anyone?") == b"anyone?"
    shares = {found.name for found in client.listShares()}
    assert share in shares and "IPC$" in shares, shares
    client.createDirectory(share, "/place")
    assert client.storeFile(share, "/place/one", io.BytesIO(content)) == len(content)
    assert client.getAttributes(share, "/place/one").file_size == len(content)
    back = io.BytesIO()
    client.retrieveFile(share, "/place/one", back)
    assert back.getvalue() == content, "other bytes came back"
    part = io.BytesIO()
    client.retrieveFileFromOffset(share, "/place/one", part, offset=1000, max_length=70000)
    assert part.getvalue() == content[1000:71000], "other bytes came back from the middle"
    client.storeFileFromOffset(share, "/place/one", io.BytesIO(b"HERE"), offset=500)
    names = [entry.filename for entry in client.listPath(share, "/place")]
    assert sorted(names) == [".", "..", "one"], names

    client.rename(share, "/place/one", "/place/zwölf")
    assert client.listPath(share, "/place", pattern="zw*")[0].filename == "zwölf"
    try:
        client.deleteDirectory(share, "/place")
        raise AssertionError("a directory with a file in it was deleted")
    except OperationFailure:
        pass
    client.deleteFiles(share, "/place/zwölf")
    client.deleteDirectory(share, "/place")
    assert {entry.filename for entry in client.listPath(share, "/")} == {".", ".."}
    client.close()


main()
