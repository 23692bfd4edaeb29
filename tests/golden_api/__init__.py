"""Replay recorded answers of a real kube-apiserver: ``python -m tests.golden_api DIR``.

DIR holds files in the format of tests/golden/api/README.md. Everything goes over HTTPS to a server
started for the purpose, with two store shards in a temporary directory.
"""
