"""A cluster that is there already, behind the door that a campaign's own cluster has."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from actors.plan import ClusterPlan
from actors.ray.cluster import ClusterError
from loadtest.client import ApiClient, Endpoint, ServerUnreachable
from loadtest.foreign.guard import Guard
from loadtest.foreign.namespace import REMOVAL_S, make_namespace, remove_namespace
from loadtest.foreign.programless import Programless
from loadtest.foreign.surroundings import ForeignError
from loadtest.signals import no_end_heard


class ForeignCluster(Programless):
    """See actors.cluster.ClusterHandle. Nothing of it is started; ``stop`` removes the run's
    namespace, if it has one."""

    kubeconfig = ""

    def __init__(self, endpoint: Endpoint, namespace: str, run: str) -> None:
        self.servers = [endpoint.server]
        self.server, self.ca_file = endpoint.server, endpoint.ca_file
        self.token, self.identity_file = endpoint.token, endpoint.identity_file
        self._namespace, self._run = namespace, run
        self._client = ApiClient(endpoint, REMOVAL_S)
        self._guard = Guard(endpoint, Path(endpoint.ca_file).parent, namespace, run)
        self._stopped = False
        self.placement: list[str] = []

    def enter(self, plan: ClusterPlan, progress: Callable[[str], None]) -> "ForeignCluster":
        """As start_cluster does, make what the run needs. Errors: ClusterError."""
        if not self._namespace:
            return self
        with ExitStack() as unless_entered:
            unless_entered.callback(self.stop)
            progress(f"making namespace {self._namespace}")
            try:
                has_account = make_namespace(self._client, self._namespace, self._run)
            except (ForeignError, ServerUnreachable) as error:
                raise ClusterError(str(error)) from None
            if not has_account:
                progress("it has no default service account; pods may be refused")
            unless_entered.pop_all()
        return self

    def stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        with no_end_heard():  # a second ctrl-C must not leave the namespace
            self._remove()

    def _remove(self) -> None:
        self._client.close()  # whatever was under way
        try:
            if self._namespace:
                remove_namespace(self._client, self._namespace, self._run)
        except (ForeignError, ServerUnreachable) as error:
            raise ClusterError(str(error)) from None
        finally:
            self._client.close()
            self._guard.dismiss()
