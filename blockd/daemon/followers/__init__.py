"""The processes that follow workers, and how the control process sees them."""
