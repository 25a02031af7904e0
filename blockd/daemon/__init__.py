"""The processes: a supervisor, one resolver worker per core, and the control process that owns feeds and web."""
