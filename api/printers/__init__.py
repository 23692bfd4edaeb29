"""The cells of the served kinds in a Table, one file a family. Entry point: ``api.tables``."""
