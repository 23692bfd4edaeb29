"""Locust users: black boxes that speak HTTP only. Importing them patches the process (gevent), so
only loadtest.generator does; never a process that runs actors or Ray."""
