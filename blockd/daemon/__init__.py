"""The processes: a supervisor, one resolver worker per core, and a control process for feeds and web."""
