"""Decisions for HTTP proxies: whether a request may pass, by the policy that DNS answers by."""
