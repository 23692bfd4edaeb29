"""Tests of a whole cluster. A package, so that the cluster ends with its last test."""
