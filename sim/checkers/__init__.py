"""What must hold in every run, one promise a file. A checker listens and never interferes."""
