-- What each host of ours and each far end exchanged on each day (since 1970-01-01, UTC), in bytes.
SELECT
    home, far,
    epoch_us(time_start) // 86400000000 AS day,
    CAST(coalesce(sum(bytes) FILTER (WHERE direction = 'in'), 0) AS DOUBLE) AS came,
    CAST(coalesce(sum(bytes) FILTER (WHERE direction = 'out'), 0) AS DOUBLE) AS went,
    count(*) FILTER (WHERE direction = 'out') AS flows_out,
    min(epoch_us(time_start)) AS first_us,
    max(epoch_us(time_end)) AS last_us
FROM crossing
GROUP BY home, far, day
