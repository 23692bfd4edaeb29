"""The way into a cluster that a kubeconfig names."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actors.kubeconfig import KubeAccess
from loadtest.client import Endpoint
from loadtest.generator_config import write_private


@contextmanager
def entered(access: KubeAccess) -> Iterator[Endpoint]:
    """The way in, its secrets in a private directory that goes at the end. ``ca_file`` lies in
    it."""
    with tempfile.TemporaryDirectory(prefix="hf-", ignore_cleanup_errors=True) as place:
        authority, identity = Path(place, "ca.crt"), Path(place, "identity.pem")
        write_private(authority, access.authority_pem)
        if access.identity_pem:
            write_private(identity, access.identity_pem)
        shown = str(identity) if access.identity_pem else ""
        yield Endpoint(access.server, str(authority), access.token, shown)
