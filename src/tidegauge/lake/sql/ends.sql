-- Who is behind the numbers of pairs, and how many clients call each server.
WITH callers AS (
    SELECT server, port, proto, approx_count_distinct(client) AS callers
    FROM named
    SEMI JOIN looked_at USING (server, port, proto)
    WHERE fwd
    GROUP BY ALL
)
SELECT pair_key(client, server, port, proto) AS key, looked_at.*, coalesce(callers, 1) AS callers
FROM looked_at
LEFT JOIN callers USING (server, port, proto)
