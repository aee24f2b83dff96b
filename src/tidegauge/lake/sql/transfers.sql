-- Bytes that each host of ours sent to each far end on each day (UTC), of at least `$least`.
SELECT CAST(sum(bytes) AS DOUBLE) AS sent
FROM chosen
WHERE direction = 'out'
GROUP BY src, dst, epoch_us(time_start) // 86400000000
HAVING sent >= $least
ORDER BY sent
