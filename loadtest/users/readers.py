"""Reads: one object, a first page of all pods, all pods of one namespace."""

from loadtest.bodies import collection_path, object_path
from loadtest.schedule import Arrival
from loadtest.users.http import ApiUser, Outcome


class ReadUser(ApiUser):
    abstract = False

    def perform(self, arrival: Arrival) -> Outcome:
        if arrival.verb == "get":
            return self.send("GET", object_path(arrival.resource, arrival.namespace, arrival.name))
        assert arrival.verb == "list", arrival
        limit = dict(arrival.value)["limit"]
        return self.send(
            "GET", f"{collection_path(arrival.resource, arrival.namespace)}?limit={limit}"
        )
