"""etcd's role: one shard of the store as a core. ``StoreCore`` takes the requests of
``api/storage.py`` and orders what the shell has to append, send and answer."""
