-- Pairs that held many conversations of several turns each, at any other port of a service that is not everybody's.
WITH crowds AS (
    SELECT server, port, count(DISTINCT client) AS clients
    FROM pairs
    WHERE proto = 6
    GROUP BY ALL
)
SELECT pairs.*
FROM pairs
JOIN crowds USING (server, port)
WHERE
    proto = 6 AND NOT port = ANY($others) AND held >= $guesses AND held >= 0.8 * calls
    AND clients < $public_clients AND sampling = 1 AND up_packets >= $least_packets * calls AND down_bytes > 0
ORDER BY held DESC
LIMIT 2000
