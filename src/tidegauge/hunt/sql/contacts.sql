-- First contacts that say something of who made them. One has failed where TCP's client did not go on, or nothing else
-- was answered, and little was sent. Nothing can be said where answers are not seen (`$unanswered_ways`).
SELECT
    *,
    CASE
        WHEN proto = 6 THEN held < 0.5 * calls OR down_packets = 0 AND up_flags & 16 = 0
        ELSE down_packets = 0
    END
    AND up_packets <= 8 * sampling * greatest(calls, 1) AS failed,
    calls >= $again AND last_us - first_us >= $again_us AS again
FROM pairs
WHERE
    proto IN (6, 17)
    AND NOT (proto = 17 AND way = ANY($unanswered_ways))
    AND NOT (down_packets = 0 AND to_all(server))
    AND NOT (proto = 17 AND port = $nbstat AND (client, server) IN (SELECT (client, server) FROM name_queries))
    AND (
        proto = 17 AND (sampling = 1 OR down_packets > 0)
        OR proto = 6 AND up_packets > 0 AND (up_flags = 0 OR up_flags & 2 <> 0)
    )
