"""What is cached, for the operator: shown and removed in every worker by the control process."""
