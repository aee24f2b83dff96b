-- What each host of ours and each far end exchanged, in bytes.
SELECT
    home, far,
    CAST(coalesce(sum(bytes) FILTER (WHERE direction = 'in'), 0) AS DOUBLE) AS came,
    CAST(coalesce(sum(bytes) FILTER (WHERE direction = 'out'), 0) AS DOUBLE) AS went,
    min(epoch_us(time_start)) AS first_us,
    max(epoch_us(time_end)) AS last_us
FROM crossing
GROUP BY home, far
