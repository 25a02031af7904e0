"""The HTTP and TLS servers: block page, refusal of TLS, admin port. The daemon passes in what they call."""

from blockd.web.admin import Condition, Control, admin_app
from blockd.web.bearer import Bearer
from blockd.web.block_page import serve_block_page
from blockd.web.serving import Serving, serve_admin
from blockd.web.site import CountHit, CountRequest, Protocol, Site, VerdictOf
from blockd.web.tls import serve_tls

__all__ = [
    "Bearer",
    "Condition",
    "Control",
    "CountHit",
    "CountRequest",
    "Protocol",
    "Serving",
    "Site",
    "VerdictOf",
    "admin_app",
    "serve_admin",
    "serve_block_page",
    "serve_tls",
]
