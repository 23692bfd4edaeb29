"""The reference experiments: published limits of control planes, one a module, run again."""
