-- Connections that were held for long, whole or as the flows into which an exporter cut them.
WITH connections AS (
    SELECT
        client, server, port, proto, way,
        min(epoch_us(time_start)) AS first_us,
        max(epoch_us(time_end)) AS last_us,
        count(*) FILTER (WHERE fwd) AS flows,
        CAST(sum(bytes) FILTER (WHERE fwd) AS DOUBLE) AS up_bytes,
        CAST(coalesce(sum(bytes) FILTER (WHERE NOT fwd), 0) AS DOUBLE) AS down_bytes,
        count(*) FILTER (WHERE fwd AND tcp_flags & 2 <> 0) AS opened,
        max(far_class) AS far_class,
        any_value(far_country) AS far_country,
        any_value(far_as) AS far_as,
        sum(epoch_us(time_end) - epoch_us(time_start)) FILTER (WHERE fwd) AS lasted_us
    FROM oriented
    WHERE way IN ('in', 'out') AND proto IN (6, 17)
    GROUP BY client, server, port, cport, proto, way
    HAVING last_us - first_us >= $long_us
)
SELECT client, server, port, proto, way, first_us, last_us, up_bytes, down_bytes, far_class, far_country, far_as
FROM connections
WHERE
    opened <= 1 AND down_bytes > 0
    AND (lasted_us >= 0.5 * (last_us - first_us) OR flows >= (last_us - first_us) / $cut_us)
ORDER BY last_us - first_us DESC
LIMIT $most
