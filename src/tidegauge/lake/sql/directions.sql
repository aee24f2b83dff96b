-- Bytes by direction and hour, of flows and of rollups of an hour.
SELECT CAST(direction AS VARCHAR) AS way, hour, CAST(sum(amount) AS DOUBLE) AS bytes
FROM chosen
WHERE hour BETWEEN $first AND $last
GROUP BY ALL
