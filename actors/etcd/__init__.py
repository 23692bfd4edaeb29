"""A door for etcd's own clients: a shard of the store behind etcd's v3 gRPC API, in one process.

door = await start(EtcdConfig(host, port, directory))     # .address, .gauges(), await .stop()
"""

from actors.etcd.door import Door, EtcdConfig, start

__all__ = ["Door", "EtcdConfig", "start"]
