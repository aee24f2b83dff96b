-- Of the hosts within that a client tried at a port, how many try others at it too.
WITH tried AS (
    SELECT DISTINCT client, server, port, proto
    FROM contacts
    WHERE way = 'internal'
)
SELECT
    client, port, proto,
    count(*) AS servers,
    count(*) FILTER (WHERE (server, port, proto) IN (SELECT (client, port, proto) FROM tried)) AS alike
FROM tried
GROUP BY ALL
