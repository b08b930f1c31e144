"""Opens a file persistently, locks a part of it, kills the server, and comes back for the open when
another server is there; others are kept out meanwhile. With smbprotocol. Exits with 0 when all was as
it should be.

usage: smbprotocol_persistent.py HOST PORT SHARE PID USER PASSWORD OTHER_USER OTHER_PASSWORD
"""

import os
import signal
import sys
import time
import uuid
from collections import OrderedDict

from smbprotocol.connection import Capabilities, Connection
from smbprotocol.create_contexts import (
    SMB2CreateContextRequest,
    SMB2CreateDurableHandleReconnectV2,
    SMB2CreateDurableHandleRequestV2,
    SMB2CreateDurableHandleResponseV2,
)
from smbprotocol.exceptions import SMBConnectionClosed, SMBResponseException
from smbprotocol.header import Commands
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
from smbprotocol.structure import BytesField, IntField, Structure
from smbprotocol.tree import TreeConnect

HOST, PORT, SHARE, PID = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
OWNER, OTHER = tuple(sys.argv[5:7]), tuple(sys.argv[7:9])
PERSISTENT = 2
CONTENT = bytes(range(256)) * 500
NOT_FOUND, DENIED, NOT_AVAILABLE = 0xC0000034, 0xC0000022, 0xC0000467
LOCK_CONFLICT, NOT_GRANTED = 0xC0000054, 0xC0000055
EXCLUSIVE_AT_ONCE, UNLOCK = 0x12, 0x4


class Lock(Structure):
    """MS-SMB2 2.2.26, of one lock."""

    COMMAND = Commands.SMB2_LOCK

    def __init__(self):
        self.fields = OrderedDict(
            [
                ("structure_size", IntField(size=2, default=48)),
                ("lock_count", IntField(size=2, default=1)),
                ("lock_sequence", IntField(size=4)),
                ("file_id", BytesField(size=16)),
                ("offset", IntField(size=8)),
                ("length", IntField(size=8)),
                ("flags", IntField(size=4)),
                ("reserved", IntField(size=4)),
            ]
        )
        super().__init__()


def connect(guid, user):
    connection = Connection(guid, HOST, PORT)
    connection.client_capabilities |= Capabilities.SMB2_GLOBAL_CAP_PERSISTENT_HANDLES
    connection.connect()
    session = Session(connection, *user, require_encryption=False, auth_protocol="ntlm")
    session.connect()
    tree = TreeConnect(session, rf"\\{HOST}\{SHARE}")
    tree.connect()
    return tree


def create(tree, context=None):
    contexts = None
    if context is not None:
        contexts = [SMB2CreateContextRequest()]
        contexts[0]["buffer_name"] = context.NAME
        contexts[0]["buffer_data"] = context
    file = Open(tree, "persistent")
    answer = file.create(
        ImpersonationLevel.Impersonation,
        FilePipePrinterAccessMask.GENERIC_READ | FilePipePrinterAccessMask.GENERIC_WRITE,
        FileAttributes.FILE_ATTRIBUTE_NORMAL,
        ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE,
        CreateDisposition.FILE_OPEN_IF,
        CreateOptions.FILE_NON_DIRECTORY_FILE,
        contexts,
        RequestedOplockLevel.SMB2_OPLOCK_LEVEL_NONE,
    )
    return file, answer


def lock(file, offset, length, flags):
    request = Lock()
    request["file_id"] = file.file_id
    request["offset"], request["length"], request["flags"] = offset, length, flags
    session = file.tree_connect.session
    sent = file.connection.send(request, session.session_id, file.tree_connect.tree_connect_id)
    file.connection.receive(sent)


def refused(status, what):
    try:
        what()
    except SMBResponseException as error:
        assert error.status == status, f"{error.status:#x} instead of {status:#x}"
    else:
        raise AssertionError(f"not refused with {status:#x}")


def back(file_id, name):
    context = SMB2CreateDurableHandleReconnectV2()
    context["file_id"], context["create_guid"] = file_id, name
    context["flags"] = PERSISTENT
    return context


def connect_again(guid, user):
    """Until another server is there: the old one may still accept when it is dying."""
    until = time.monotonic() + 20
    while True:
        try:
            return connect(guid, user)
        except (OSError, ValueError, SMBConnectionClosed) as error:
            if time.monotonic() > until:
                raise AssertionError("no other server after 20 s") from error
            time.sleep(0.05)


def main():
    client, name = uuid.uuid4(), uuid.uuid4()
    tree = connect(client, OWNER)
    assert tree.is_ca_share, "the share is not said to be continuously available"
    wanted = SMB2CreateDurableHandleRequestV2()
    wanted["create_guid"], wanted["flags"] = name, PERSISTENT
    file, answer = create(tree, wanted)
    granted = [one for one in answer or [] if isinstance(one, SMB2CreateDurableHandleResponseV2)]
    assert granted and granted[0]["flags"].get_value() == PERSISTENT, f"not persistent: {answer}"
    assert granted[0]["timeout"].get_value() == 180000, f"{granted[0]}"
    file.write(CONTENT)
    lock(file, 0, 100, EXCLUSIVE_AT_ONCE)
    lock(file, 500, 100, EXCLUSIVE_AT_ONCE)
    lock(file, 500, 100, UNLOCK)
    file_id = file.file_id

    os.kill(PID, signal.SIGKILL)
    mine = connect_again(client, OWNER)
    others = connect(uuid.uuid4(), OTHER)
    refused(NOT_AVAILABLE, lambda: create(others))
    refused(NOT_FOUND, lambda: create(mine, back(file_id, uuid.uuid4())))
    refused(DENIED, lambda: create(connect(client, OTHER), back(file_id, name)))
    refused(NOT_FOUND, lambda: create(connect(uuid.uuid4(), OWNER), back(file_id, name)))
    file, _ = create(mine, back(file_id, name))
    assert file.file_id[:8] == file_id[:8] and file.file_id[8:] != file_id[8:]
    assert file.read(0, len(CONTENT)) == CONTENT, "other bytes came back"
    second, _ = create(others)
    refused(LOCK_CONFLICT, lambda: second.read(0, 10))
    refused(NOT_GRANTED, lambda: lock(second, 50, 1, EXCLUSIVE_AT_ONCE))
    lock(second, 500, 100, EXCLUSIVE_AT_ONCE)
    lock(file, 0, 100, UNLOCK)
    assert second.read(0, 10) == CONTENT[:10]
    file.write(b"end", len(CONTENT))
    file.close()
    refused(NOT_FOUND, lambda: create(mine, back(file_id, name)))


main()
