-- Callers that come to nothing at one door again and again.
SELECT *
FROM pairs
WHERE
    proto IN (6, 17) AND NOT (proto = 17 AND way = ANY($unanswered_ways)) AND NOT to_all(server)
    AND CASE
        WHEN proto = 6 THEN held < 0.5 * calls OR down_packets = 0 AND up_flags & 16 = 0
        ELSE down_packets = 0
    END
    AND calls >= $knocks AND held < 0.05 * calls
ORDER BY calls DESC
LIMIT $listed
