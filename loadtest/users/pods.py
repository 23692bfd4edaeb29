"""Single pods created and deleted, from a trace or drawn."""

from loadtest.bodies import object_path, pod_body
from loadtest.schedule import Arrival
from loadtest.users.http import ApiUser, Outcome


class PodUser(ApiUser):
    abstract = False

    def perform(self, arrival: Arrival) -> Outcome:
        if arrival.verb == "create":
            return self.create(arrival, pod_body)
        assert arrival.verb == "delete", arrival
        return self.send("DELETE", object_path(arrival.resource, arrival.namespace, arrival.name))
