"""What a campaign is aimed at when it has no cluster of its own."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A kube-apiserver that is not ours, as it was found before the run."""

    server: str
    version: str
    """As /version says, such as v1.36.0; empty when it does not."""
    nodes: int | None
    """None: whoever enters may not list them."""
    namespace: str
    """Where the run may write, made and removed by it. Empty: it reads only."""
    left_out: int
    """Arrivals of the campaign that are writes, or follow from them, and are not sent."""
    image: str
    """Of the pods of the load; the cluster's kubelets must be able to pull it."""
