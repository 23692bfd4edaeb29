"""The disk of a store shard: the shell for Append and WriteSnapshot.

``LogDirectory.open`` locks a directory and reads what it holds; ``JournalFile`` appends in groups
from a thread of its own and reports what is persisted.
"""

from actors.disk.directory import DirectoryError, DirectoryInUse, LogDirectory, has_log
from actors.disk.journal_file import JournalFile

__all__ = ["DirectoryError", "DirectoryInUse", "JournalFile", "LogDirectory", "has_log"]
