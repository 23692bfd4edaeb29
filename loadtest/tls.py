"""What the load half shows of itself and whom it believes. Standard library only."""

import ssl


def client_context(ca_file: str, identity_file: str) -> ssl.SSLContext:
    """Believes this one authority. ``identity_file``: a client certificate and its key, PEM; may be
    empty. Errors: ssl.SSLError for files that are none.

    Not ``ssl.create_default_context``: from Python 3.13 on it refuses authorities that lack what
    RFC 5280 asks for, as clusters of some age have them.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(ca_file)
    if identity_file:
        context.load_cert_chain(identity_file)
    return context
