-- When clients first called each service of each server; pings, and TCP and UDP of hosts of ours or at a guarded port.
SELECT
    client, way, proto, port, server,
    min(epoch_us(time_start)) FILTER (WHERE fwd) AS first_us,
    max(epoch_us(time_end)) AS last_us,
    count(DISTINCT epoch_us(time_start) // 60000000) FILTER (WHERE fwd)
        + max((epoch_us(time_end) - epoch_us(time_start)) // 60000000) FILTER (WHERE fwd) AS minutes,
    coalesce(bool_or(NOT fwd), false) AS answered,
    max(far_class) AS far_class,
    any_value(far_country) AS far_country,
    any_value(far_as) AS far_as
FROM oriented
WHERE
    proto IN (1, 58) AND way <> 'transit'
    AND (NOT fwd OR biflow_direction = 1 OR proto = 1 AND dst_port = 2048 OR proto = 58 AND dst_port = 32768)
    OR proto IN (6, 17) AND NOT to_all(server)
    AND (way IN ('in', 'internal') OR way = 'out' AND port = ANY($guarded))
GROUP BY ALL
HAVING first_us IS NOT NULL
