"""The messages of etcd's v3 API that are spoken here: name, then field number to (name, type).

Types: int, uint, bool, bytes, str, the name of another message, and any of them in brackets for a
repeated field. Enums are ints. Source: facts of etcd api/etcdserverpb/rpc.proto and
api/mvccpb/kv.proto, release 3.6.
"""

from typing import Final

Fields = dict[int, tuple[str, str]]

_HEADER: Final = (1, ("header", "ResponseHeader"))

MESSAGES: Final[dict[str, Fields]] = {
    "ResponseHeader": {
        1: ("cluster_id", "uint"),
        2: ("member_id", "uint"),
        3: ("revision", "int"),
        4: ("raft_term", "uint"),
    },
    "KeyValue": {
        1: ("key", "bytes"),
        2: ("create_revision", "int"),
        3: ("mod_revision", "int"),
        4: ("version", "int"),
        5: ("value", "bytes"),
        6: ("lease", "int"),
    },
    "Event": {1: ("type", "int"), 2: ("kv", "KeyValue"), 3: ("prev_kv", "KeyValue")},
    # KV.
    "RangeRequest": {
        1: ("key", "bytes"),
        2: ("range_end", "bytes"),
        3: ("limit", "int"),
        4: ("revision", "int"),
        5: ("sort_order", "int"),
        6: ("sort_target", "int"),
        7: ("serializable", "bool"),
        8: ("keys_only", "bool"),
        9: ("count_only", "bool"),
        10: ("min_mod_revision", "int"),
        11: ("max_mod_revision", "int"),
        12: ("min_create_revision", "int"),
        13: ("max_create_revision", "int"),
    },
    "RangeResponse": dict(
        [_HEADER, (2, ("kvs", "[KeyValue]")), (3, ("more", "bool")), (4, ("count", "int"))]
    ),
    "PutRequest": {
        1: ("key", "bytes"),
        2: ("value", "bytes"),
        3: ("lease", "int"),
        4: ("prev_kv", "bool"),
        5: ("ignore_value", "bool"),
        6: ("ignore_lease", "bool"),
    },
    "PutResponse": dict([_HEADER, (2, ("prev_kv", "KeyValue"))]),
    "DeleteRangeRequest": {
        1: ("key", "bytes"),
        2: ("range_end", "bytes"),
        3: ("prev_kv", "bool"),
    },
    "DeleteRangeResponse": dict(
        [_HEADER, (2, ("deleted", "int")), (3, ("prev_kvs", "[KeyValue]"))]
    ),
    "RequestOp": {
        1: ("request_range", "RangeRequest"),
        2: ("request_put", "PutRequest"),
        3: ("request_delete_range", "DeleteRangeRequest"),
        4: ("request_txn", "TxnRequest"),
    },
    "ResponseOp": {
        1: ("response_range", "RangeResponse"),
        2: ("response_put", "PutResponse"),
        3: ("response_delete_range", "DeleteRangeResponse"),
        4: ("response_txn", "TxnResponse"),
    },
    "Compare": {
        1: ("result", "int"),
        2: ("target", "int"),
        3: ("key", "bytes"),
        4: ("version", "int"),
        5: ("create_revision", "int"),
        6: ("mod_revision", "int"),
        7: ("value", "bytes"),
        8: ("lease", "int"),
        64: ("range_end", "bytes"),
    },
    "TxnRequest": {
        1: ("compare", "[Compare]"),
        2: ("success", "[RequestOp]"),
        3: ("failure", "[RequestOp]"),
    },
    "TxnResponse": dict([_HEADER, (2, ("succeeded", "bool")), (3, ("responses", "[ResponseOp]"))]),
    "CompactionRequest": {1: ("revision", "int"), 2: ("physical", "bool")},
    "CompactionResponse": dict([_HEADER]),
    # Watch.
    "WatchRequest": {
        1: ("create_request", "WatchCreateRequest"),
        2: ("cancel_request", "WatchCancelRequest"),
        3: ("progress_request", "WatchProgressRequest"),
    },
    "WatchCreateRequest": {
        1: ("key", "bytes"),
        2: ("range_end", "bytes"),
        3: ("start_revision", "int"),
        4: ("progress_notify", "bool"),
        5: ("filters", "[int]"),
        6: ("prev_kv", "bool"),
        7: ("watch_id", "int"),
        8: ("fragment", "bool"),
    },
    "WatchCancelRequest": {1: ("watch_id", "int")},
    "WatchProgressRequest": {},
    "WatchResponse": dict(
        [
            _HEADER,
            (2, ("watch_id", "int")),
            (3, ("created", "bool")),
            (4, ("canceled", "bool")),
            (5, ("compact_revision", "int")),
            (6, ("cancel_reason", "str")),
            (7, ("fragment", "bool")),
            (11, ("events", "[Event]")),
        ]
    ),
    # Lease.
    "LeaseGrantRequest": {1: ("TTL", "int"), 2: ("ID", "int")},
    "LeaseGrantResponse": dict(
        [_HEADER, (2, ("ID", "int")), (3, ("TTL", "int")), (4, ("error", "str"))]
    ),
    "LeaseRevokeRequest": {1: ("ID", "int")},
    "LeaseRevokeResponse": dict([_HEADER]),
    "LeaseKeepAliveRequest": {1: ("ID", "int")},
    "LeaseKeepAliveResponse": dict([_HEADER, (2, ("ID", "int")), (3, ("TTL", "int"))]),
    "LeaseTimeToLiveRequest": {1: ("ID", "int"), 2: ("keys", "bool")},
    "LeaseTimeToLiveResponse": dict(
        [
            _HEADER,
            (2, ("ID", "int")),
            (3, ("TTL", "int")),
            (4, ("grantedTTL", "int")),
            (5, ("keys", "[bytes]")),
        ]
    ),
    "LeaseLeasesRequest": {},
    "LeaseStatus": {1: ("ID", "int")},
    "LeaseLeasesResponse": dict([_HEADER, (2, ("leases", "[LeaseStatus]"))]),
    # Cluster.
    "Member": {
        1: ("ID", "uint"),
        2: ("name", "str"),
        3: ("peerURLs", "[str]"),
        4: ("clientURLs", "[str]"),
        5: ("isLearner", "bool"),
    },
    "MemberListRequest": {1: ("linearizable", "bool")},
    "MemberListResponse": dict([_HEADER, (2, ("members", "[Member]"))]),
    # Maintenance.
    "AlarmRequest": {1: ("action", "int"), 2: ("memberID", "uint"), 3: ("alarm", "int")},
    "AlarmMember": {1: ("memberID", "uint"), 2: ("alarm", "int")},
    "AlarmResponse": dict([_HEADER, (2, ("alarms", "[AlarmMember]"))]),
    "StatusRequest": {},
    "StatusResponse": dict(
        [
            _HEADER,
            (2, ("version", "str")),
            (3, ("dbSize", "int")),
            (4, ("leader", "uint")),
            (5, ("raftIndex", "uint")),
            (6, ("raftTerm", "uint")),
            (7, ("raftAppliedIndex", "uint")),
            (8, ("errors", "[str]")),
            (9, ("dbSizeInUse", "int")),
            (10, ("isLearner", "bool")),
            (12, ("dbSizeQuota", "int")),
        ]
    ),
    "DefragmentRequest": {},
    "DefragmentResponse": dict([_HEADER]),
    "HashRequest": {},
    "HashResponse": dict([_HEADER, (2, ("hash", "uint"))]),
    "HashKVRequest": {1: ("revision", "int")},
    "HashKVResponse": dict(
        [
            _HEADER,
            (2, ("hash", "uint")),
            (3, ("compact_revision", "int")),
            (4, ("hash_revision", "int")),
        ]
    ),
    "SnapshotRequest": {},
    "SnapshotResponse": dict(
        [
            _HEADER,
            (2, ("remaining_bytes", "uint")),
            (3, ("blob", "bytes")),
            (4, ("version", "str")),
        ]
    ),
}
