SELECT count(*) FROM chosen_flows
