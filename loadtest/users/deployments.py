"""Deployments created, scaled through the scale subresource as kubectl does, and deleted."""

import json

from loadtest.bodies import deployment_body, object_path
from loadtest.schedule import Arrival
from loadtest.users.http import ApiUser, Outcome


class DeploymentUser(ApiUser):
    abstract = False

    def perform(self, arrival: Arrival) -> Outcome:
        path = object_path(arrival.resource, arrival.namespace, arrival.name)
        if arrival.verb == "create":
            return self.create(arrival, deployment_body)
        if arrival.verb == "scale":
            replicas = dict(arrival.value)["replicas"]
            patch = json.dumps({"spec": {"replicas": replicas}})
            return self.send(
                "PATCH", f"{path}/scale", patch, content_type="application/merge-patch+json"
            )
        assert arrival.verb == "delete", arrival
        return self.send("DELETE", f"{path}?propagationPolicy=Background")
