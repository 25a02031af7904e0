"""Listening sockets that a process is given at its start, by a service manager that has kept them for it.

What came while no process ran waits in them.
"""
