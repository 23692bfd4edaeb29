"""etcd's v3 API as pure functions: bytes of its messages to requests of api/storage.py and back.

``fields`` is the table of messages, ``codec`` reads and writes them by it, ``keys`` translates the
KV service, ``watches`` events, ``errors`` gives refusals their status code and text.
"""
