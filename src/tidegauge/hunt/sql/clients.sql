SELECT count(DISTINCT client) FROM pairs
