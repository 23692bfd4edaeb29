"""The second shell: the same cores on a virtual clock in one process, with faults from a seed."""
