"""What the API server does for each verb: one generator a verb, one file a family."""
