"""Opens a file and a directory, and then does everything with them and beside them three times: before the
file system fails, while it does, and afterwards. Says how each operation ended, one a line:
`ROUND OPERATION STATUS`, the status in hexadecimal, 0 for success.

It says "ready" before a round and waits for a line.

usage: faulty.py HOST PORT SHARE USER PASSWORD
"""

import sys
import time
import uuid

from smbprotocol.connection import Connection
from smbprotocol.exceptions import SMBResponseException
from smbprotocol.file_info import FileBasicInformation, FileInformationClass, FileRenameInformation
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    FileAttributes,
    ImpersonationLevel,
    Open,
    ShareAccess,
    SMB2QueryInfoRequest,
    SMB2SetInfoRequest,
)
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

ALL = 0x001F01FF
SHARED = ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE


def opened(tree, name, disposition, options=CreateOptions.FILE_NON_DIRECTORY_FILE):
    file = Open(tree, name)
    normal = FileAttributes.FILE_ATTRIBUTE_NORMAL
    file.create(ImpersonationLevel.Impersonation, ALL, normal, SHARED, disposition, options)
    return file


def exchange(file, request):
    connection = file.connection
    session, tree = file.tree_connect.session.session_id, file.tree_connect.tree_connect_id
    return connection.receive(connection.send(request, session, tree))


def query(file, class_):
    request = SMB2QueryInfoRequest()
    request["info_type"] = 1
    request["file_info_class"] = class_
    request["output_buffer_length"] = 4096
    request["file_id"] = file.file_id
    exchange(file, request)


def set_info(file, value):
    request = SMB2SetInfoRequest()
    request["info_type"] = 1
    request["file_info_class"] = value.INFO_CLASS
    request["file_id"] = file.file_id
    request["buffer"] = value
    exchange(file, request)


def rename(file, name):
    value = FileRenameInformation()
    value["replace_if_exists"] = True
    value["file_name"] = name
    set_info(file, value)


def times(file):
    value = FileBasicInformation()
    value["last_write_time"] = 132_000_000_000_000_000
    set_info(file, value)


def main():
    host, port, share, user, password = sys.argv[1:]
    connection = Connection(uuid.uuid4(), host, int(port))
    connection.connect(timeout=20)
    session = Session(connection, user, password, require_encryption=False, auth_protocol="ntlm")
    session.connect()
    tree = TreeConnect(session, rf"\\{host}\{share}")
    tree.connect()
    make = CreateDisposition.FILE_OVERWRITE_IF
    file = opened(tree, "held", make)
    file.write(b"0123456789" * 1000, 0)
    file.flush()
    held_open = CreateDisposition.FILE_OPEN_IF, CreateOptions.FILE_DIRECTORY_FILE
    directory = opened(tree, "held directory", *held_open)
    old = FileInformationClass.FILE_NAMES_INFORMATION

    def new(name, disposition, *options):
        opened(tree, name, disposition, *options).close()

    operations = {
        "READ": lambda: file.read(0, 4096),
        "WRITE": lambda: file.write(b"x" * 4096, 0),
        "FLUSH": file.flush,
        "QUERY_INFO": lambda: query(file, FileInformationClass.FILE_NETWORK_OPEN_INFORMATION),
        "SET_INFO": lambda: times(file),
        "RENAME": lambda: rename(file, "held"),
        "QUERY_DIRECTORY": lambda: directory.query_directory("*", old, flags=1),
        "CREATE": lambda: new("held", CreateDisposition.FILE_OPEN),
        "CREATE-new": lambda: new("new", make),
        "CREATE-directory": lambda: new("new directory", *held_open),
    }
    for round in ["before", "meanwhile", "after"]:
        print("ready", flush=True)
        sys.stdin.readline()
        for name, operation in operations.items():
            begun, status = time.monotonic(), 0
            try:
                operation()
            except SMBResponseException as refused:
                status = refused.status
            if time.monotonic() - begun > 10:
                sys.exit(f"{name} took more than 10 s")
            print(f"{round} {name} {status:08x}", flush=True)
    assert file.read(0, 4096) == b"x" * 4096, "what was written afterwards is not there"
    file.close()
    directory.close()
    connection.disconnect()


main()
