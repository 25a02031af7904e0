"""The process that decides for HTTP proxies."""
