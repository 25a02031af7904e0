"""The HTTP and TLS servers: block page, refusal of TLS, decisions, admin port. The daemon passes in what they call.

The page process imports the first two, which are light; aiohttp is the admin port's alone.
"""
