-- Our hosts' calls to outside in each hour of the day (UTC).
SELECT epoch_us(time_start) // 3600000000 % 24 AS hour, count(*) AS calls
FROM oriented
WHERE fwd AND way = 'out'
GROUP BY hour
