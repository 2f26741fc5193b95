"""Document S0, as far as it is served: how the machine and the gateway do, now and lately."""
