"""When each record of a kernel runs on the target."""
