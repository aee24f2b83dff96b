-- What one host sent elsewhere than to the watched asset, by far end and hour.
SELECT far, epoch_us(time_start) // 3600000000 AS hour, CAST(sum(bytes) AS DOUBLE) AS went
FROM crossing
WHERE direction = 'out' AND home = $home AND NOT watched
GROUP BY far, hour
ORDER BY hour
