"""etcd's v3 gRPC API, both sides of it.

A door for etcd's own clients: shards of the store behind that API, in one process.

    door = await start(EtcdConfig(host, port, directory))     # .address, .gauges(), await .stop()
    restore(file, directory, shards)      # a new directory, of what ``snapshot save`` fetched

And a real etcd as the engine of a shard (``actors.etcd.engine``).
"""

from actors.etcd.door import Door, EtcdConfig, start
from actors.etcd.restore import restore

__all__ = ["Door", "EtcdConfig", "restore", "start"]
