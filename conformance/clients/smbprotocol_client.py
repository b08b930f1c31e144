"""Lists, writes, reads, renames, watches and deletes with smbprotocol; exits with 0 when all was as it
should be.

usage: smbprotocol_client.py HOST PORT SHARE USER PASSWORD sign|encrypt
SHARE_DIRECTORY in the environment is the directory that the share serves.
"""

import os
import sys
import time

import smbclient
from smbprotocol.change_notify import CompletionFilter, FileAction, FileSystemWatcher
from smbprotocol.header import NtStatus


def watched(place, options, change):
    """What a watcher of `place` is told of a change that is made while it waits."""
    with smbclient.open_file(
        place, mode="rb", share_access="rwd", file_type="dir", buffering=0, **options
    ) as directory:
        watcher = FileSystemWatcher(directory.fd)
        names = CompletionFilter.FILE_NOTIFY_CHANGE_FILE_NAME
        watcher.start(names | CompletionFilter.FILE_NOTIFY_CHANGE_DIR_NAME)
        deadline = time.monotonic() + 10
        while watcher._request.response is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert watcher._request.response["status"].get_value() == NtStatus.STATUS_PENDING
        change()
        assert watcher.response_event.wait(10), "nothing was told"
        return [
            (told["action"].get_value(), told["file_name"].get_value()) for told in watcher.result
        ]


def watches(place, options):
    """Changes by SMB, and by others in the share's directory."""
    made = watched(place, options, lambda: smbclient.mkdir(place + r"\made", **options))
    assert made == [(FileAction.FILE_ACTION_ADDED, "made")], made
    local = os.path.join(os.environ["SHARE_DIRECTORY"], "place", "made")
    gone = watched(place, options, lambda: os.rmdir(local))
    assert gone == [(FileAction.FILE_ACTION_REMOVED, "made")], gone


def main():
    host, port, share, user, password, protection = sys.argv[1:]
    smbclient.register_session(
        host,
        username=user,
        password=password,
        port=int(port),
        encrypt=protection == "encrypt",
        auth_protocol="ntlm",
    )
    options = {"port": int(port)}
    root = rf"\\{host}\{share}"
    place = root + r"\place"
    content = bytes(range(256)) * 12000 + b"end"

    smbclient.mkdir(place, **options)
    with smbclient.open_file(place + r"\one", mode="wb", **options) as file:
        file.write(content)
    assert smbclient.listdir(place, **options) == ["one"]
    assert smbclient.stat(place + r"\one", **options).st_size == len(content)
    with smbclient.open_file(place + r"\one", mode="rb", **options) as file:
        assert file.read() == content, "other bytes came back"

    smbclient.rename(place + r"\one", place + r"\two", **options)
    assert smbclient.listdir(place, **options) == ["two"]
    assert [entry.name for entry in smbclient.scandir(root, **options)] == ["place"]
    watches(place, options)
    smbclient.remove(place + r"\two", **options)
    smbclient.rmdir(place, **options)
    assert smbclient.listdir(root, **options) == []
    smbclient.reset_connection_cache()


main()
