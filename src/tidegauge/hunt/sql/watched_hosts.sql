-- Hosts of ours that exchanged data with the watched asset.
SELECT
    home,
    CAST(coalesce(sum(bytes) FILTER (WHERE direction = 'in'), 0) AS DOUBLE) AS came,
    CAST(coalesce(sum(bytes) FILTER (WHERE direction = 'out'), 0) AS DOUBLE) AS went,
    count(*) AS flows,
    min(epoch_us(time_start)) AS first_us,
    max(epoch_us(time_end)) AS last_us
FROM crossing
WHERE watched
GROUP BY home
ORDER BY came + went DESC
LIMIT $listed
