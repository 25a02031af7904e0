"""The publisher's side of a feed: an authority's workshop, where orders are staged, signed and published (TUF)."""

from blockd.publish.publishing import Published, publish
from blockd.publish.signing import Signing, sign
from blockd.publish.workshop import Workshop

__all__ = ["Published", "Signing", "Workshop", "publish", "sign"]
