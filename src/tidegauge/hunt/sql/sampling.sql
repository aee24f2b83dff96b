-- The sampling interval of most flows.
SELECT mode(sampling) FROM chosen_flows
