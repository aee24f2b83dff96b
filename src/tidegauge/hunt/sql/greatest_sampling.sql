SELECT coalesce(max(sampling), 1) FROM chosen_flows
