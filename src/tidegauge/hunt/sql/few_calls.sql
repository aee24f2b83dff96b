-- Hosts that come back to a rare service at an odd port, few times and far apart, and get little each time. Who calls
-- many services at odd ports shares files, or plays.
WITH few AS (
    SELECT *
    FROM pairs
    WHERE
        way = 'out' AND proto = 6 AND sampling = 1 AND NOT port = ANY($common_ports)
        AND calls BETWEEN $few AND $many AND held >= 0.7 * calls AND down_bytes > 0
        AND last_us - first_us BETWEEN $least_us AND $apart_us * calls
        AND up_bytes <= $small_up * calls AND down_bytes <= $small_down * calls
),
doors AS (
    SELECT client, count(*) AS doors
    FROM pairs
    WHERE way = 'out' AND proto IN (6, 17) AND port >= 1024 AND NOT port = ANY($common_ports)
    GROUP BY client
)
SELECT few.*, callers
FROM few
JOIN callers USING (server, port, proto)
JOIN doors USING (client)
WHERE doors <= $most_doors
ORDER BY calls DESC, server, client
LIMIT $listed
