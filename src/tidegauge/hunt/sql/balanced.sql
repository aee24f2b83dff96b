-- Hosts that take from many and send to many in balance, in bins of `$width_us`.
WITH bins AS (
    SELECT
        home,
        epoch_us(time_start) // $width_us AS bin,
        CAST(coalesce(sum(bytes) FILTER (WHERE direction = 'in'), 0) AS DOUBLE) AS came,
        CAST(coalesce(sum(bytes) FILTER (WHERE direction = 'out'), 0) AS DOUBLE) AS went
    FROM crossing
    GROUP BY home, bin
),
hosts AS (
    SELECT home, sum(came) AS came, sum(went) AS went, corr(sqrt(came), sqrt(went)) AS correlation
    FROM bins
    GROUP BY home
    HAVING
        least(sum(came), sum(went)) >= $least_relayed AND count(*) >= 12
        AND least(sum(came), sum(went)) > 0.6 * greatest(sum(came), sum(went))
),
calls AS (
    SELECT
        CASE way WHEN 'out' THEN client ELSE server END AS home,
        count(DISTINCT client) FILTER (WHERE way = 'in' AND down_packets > 0) AS clients,
        count(DISTINCT server) FILTER (WHERE way = 'out' AND down_packets > 0) AS servers,
        mode(port) FILTER (WHERE way = 'in' AND down_packets > 0) AS port,
        mode(port) FILTER (WHERE way = 'out') AS out_port,
        CAST(coalesce(sum(up_bytes) FILTER (WHERE way = 'in'), 0) AS DOUBLE) AS from_clients,
        CAST(coalesce(sum(down_bytes) FILTER (WHERE way = 'in'), 0) AS DOUBLE) AS to_clients,
        CAST(coalesce(sum(up_bytes) FILTER (WHERE way = 'out'), 0) AS DOUBLE) AS to_servers,
        CAST(coalesce(sum(down_bytes) FILTER (WHERE way = 'out'), 0) AS DOUBLE) AS from_servers,
        min(first_us) AS first_us,
        max(last_us) AS last_us
    FROM pairs
    WHERE way IN ('in', 'out')
    GROUP BY home
)
SELECT hosts.*, calls.* EXCLUDE (home)
FROM hosts
JOIN calls USING (home)
WHERE clients >= $many AND servers >= $many AND correlation > 0.6
ORDER BY came + went DESC
LIMIT 200
