"""A page and metrics of a run while it runs, on loopback: ``hollowfleet run --live``."""
