"""Defaults of the served kinds, one file a family. Entry point: ``api.defaulting``."""
