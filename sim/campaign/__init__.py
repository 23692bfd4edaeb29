"""Campaigns in virtual time: the real cores of a whole cluster in one process, without faults."""
