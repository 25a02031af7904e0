"""A template of an order for people: every field, with what it is for."""

from __future__ import annotations

TEMPLATE = """\
# An order for blockd. Fields that are commented out are optional. Dates are RFC 3339, in UTC: 2017-07-14, or with a
# time 2017-07-14T04:30:00Z.
schema: "1.0"
id: ministry-2026-001          # small letters, digits, dot, hyphen, underscore; it never changes
# authority: Ministry of …     # who orders; filled in if the authority has a role of its own
platform: Example Messenger    # the service that people know
# action: sinkhole             # sinkhole, nxdomain, nodata, refused, drop, cname, tcp-only, monitor, allow
# cname: landing.example.net   # the target, if the action is cname
# mandate: law                 # law (the default if there is a legal basis), operator, client

# On what basis
legal_basis: Act 11/2008, article 40
# reference: Letter 12/2026    # the instrument itself
# summary: >-                  # in a few sentences, for the people who are blocked
#   Why the platform is blocked.
contact: objections@example.net # where they can object

# How the case came about
# reported_by: …
# assessed_by: …
# decided_by: …                # requested if the mandate is law
# language: id                 # of these texts
# lumen_id: "51234567"         # the number of its notice in the Lumen database, if it is there
# notices:                     # sent to the platform, with its answers
#   - sent: 2017-07-11
#     channel: e-mail
#     text: …
#     answer: none

# From when and until when
in_force_from: 2026-01-01
expires: 2026-12-31            # null for an order without an end
# review_by: 2026-06-30        # when it is to be reviewed; not after its end
# lifted_on: 2026-03-01        # when and why it ended before its time
# lifted_reason: …

# What it covers: a name with all names under it, unless scope says otherwise; or a network.
# A list of national size has a file of its own: `blockd authority order new --list FILE`.
# scope: both                  # exact, subdomains, both: of all names that do not say
# confidential: true           # publish hashes instead of the names
names:
  - chat.example.net
  - {name: example.org, scope: exact}
"""
