-- How many hosts of ours call out.
SELECT count(DISTINCT client) FROM pairs WHERE way = 'out' AND proto IN (6, 17)
