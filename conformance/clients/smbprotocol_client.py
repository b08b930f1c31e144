"""Lists, writes, reads, renames and deletes with smbprotocol; exits with 0 when all was as it should be.

usage: smbprotocol_client.py HOST PORT SHARE USER PASSWORD sign|encrypt
"""

import sys

import smbclient


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
    smbclient.remove(place + r"\two", **options)
    smbclient.rmdir(place, **options)
    assert smbclient.listdir(root, **options) == []
    smbclient.reset_connection_cache()


main()
