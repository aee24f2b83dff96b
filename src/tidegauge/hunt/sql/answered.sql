-- Conversations by way of which the client went on, and of which answers were seen; of one client in `$one_in`.
WITH conversations AS (
    SELECT
        way,
        count(*) FILTER (WHERE NOT fwd) AS answers,
        count(*) FILTER (WHERE fwd AND (went_on(tcp_flags, packets, bytes, sampling) OR packets > 2 * sampling)) AS held
    FROM oriented
    WHERE proto = 6 AND way <> 'transit' AND hash(client) % $one_in = 0
    GROUP BY way, hash(client, server, port)
)
SELECT way, count(*) AS held, count(*) FILTER (WHERE answers > 0) AS answered
FROM conversations
WHERE held > 0
GROUP BY way
