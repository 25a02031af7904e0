"""What blockd's processes hand to each other, as JSON: nothing that is read can run anything."""
