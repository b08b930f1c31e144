"""Loses the connection below a durable handle, comes back for it, and reads and writes on; with
smbprotocol. Exits with 0 when all was as it should be.

usage: smbprotocol_durable.py HOST PORT SHARE USER PASSWORD durable
"""

import socket
import sys
import uuid

from smbprotocol.connection import Connection
from smbprotocol.create_contexts import (
    SMB2CreateContextRequest,
    SMB2CreateDurableHandleReconnectV2,
    SMB2CreateDurableHandleRequestV2,
    SMB2CreateDurableHandleResponseV2,
)
from smbprotocol.exceptions import SMBResponseException
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    FileAttributes,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    Open,
    RequestedOplockLevel,
    ShareAccess,
)
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect


def connect(guid):
    host, port, share, user, password = sys.argv[1:6]
    connection = Connection(guid, host, int(port))
    connection.connect()
    session = Session(connection, user, password, require_encryption=False, auth_protocol="ntlm")
    session.connect()
    tree = TreeConnect(session, rf"\\{host}\{share}")
    tree.connect()
    return connection, tree


def create(tree, context, oplock):
    request = SMB2CreateContextRequest()
    request["buffer_name"] = context.NAME
    request["buffer_data"] = context
    file = Open(tree, "durable")
    answer = file.create(
        ImpersonationLevel.Impersonation,
        FilePipePrinterAccessMask.GENERIC_READ
        | FilePipePrinterAccessMask.GENERIC_WRITE
        | FilePipePrinterAccessMask.DELETE,
        FileAttributes.FILE_ATTRIBUTE_NORMAL,
        ShareAccess.FILE_SHARE_READ,
        CreateDisposition.FILE_OPEN_IF,
        CreateOptions.FILE_NON_DIRECTORY_FILE | CreateOptions.FILE_DELETE_ON_CLOSE,
        [request],
        oplock,
    )
    return file, answer


def lose(connection):
    """What pulling the cable does, as far as a socket can tell: no LOGOFF, no CLOSE."""
    connection.transport._sock.shutdown(socket.SHUT_RDWR)
    connection.transport.close()


def main():
    client, name = uuid.uuid4(), uuid.uuid4()
    content = bytes(range(256)) * 500
    batch = RequestedOplockLevel.SMB2_OPLOCK_LEVEL_BATCH

    connection, tree = connect(client)
    wanted = SMB2CreateDurableHandleRequestV2()
    wanted["create_guid"] = name
    file, answer = create(tree, wanted, batch)
    granted = [one for one in answer or [] if isinstance(one, SMB2CreateDurableHandleResponseV2)]
    assert granted and granted[0]["timeout"].get_value() == 60000, f"not durable: {answer}"
    file.write(content)
    file_id = file.file_id

    for _ in range(3):
        lose(connection)
        connection, tree = connect(client)
        again = SMB2CreateDurableHandleReconnectV2()
        again["file_id"] = file_id
        again["create_guid"] = name
        file, _ = create(tree, again, batch)
        assert file.file_id[:8] == file_id[:8] and file.file_id[8:] != file_id[8:]
        assert file.read(0, len(content)) == content, "other bytes came back"
        file.write(content[::-1][:1000], len(content))
        content += content[::-1][:1000]
        file_id = file.file_id

    file.close()
    again["file_id"] = file_id
    try:
        create(tree, again, batch)
    except SMBResponseException as refused:
        assert refused.status == 0xC0000034, f"{refused.status:#x}"
    else:
        raise AssertionError("what was closed came back")
    connection.disconnect()


main()
