"""One shell a kind of program: what its real one in ``actors`` does with each effect, done here."""
