"""What values of the config file must agree on."""
