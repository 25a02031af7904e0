"""What stands between clients and the pipeline: refusals to strangers, the rate limit, server cookies."""
