-- Outside services that few hosts call.
SELECT server, port, proto, count(DISTINCT client) AS callers
FROM pairs
WHERE way = 'out'
GROUP BY ALL
HAVING callers <= $few
