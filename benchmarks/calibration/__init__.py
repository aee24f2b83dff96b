"""Is the judgement true? Quiet and injected series of known making, ours beside an oracle and the methods in use."""
