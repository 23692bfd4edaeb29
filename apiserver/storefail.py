"""Replies of the store that no verb can act on, as errors of the API."""

from api.errors import InternalError, ServiceUnavailable
from api.storage import INVALID, NO_SPACE, OK, StoreReply


def raise_if_failed(reply: StoreReply, *handled: int) -> None:
    """Raise unless the reply is OK or one of the codes that the caller handles."""
    code = reply[0]
    if code == OK or code in handled:
        return
    if code == NO_SPACE:
        raise ServiceUnavailable(f"the store cannot write: {reply[1]}")
    if code == INVALID:
        raise InternalError(f"the store refused the request: {reply[1]}")
    raise InternalError(f"unexpected reply of the store: {code}")
