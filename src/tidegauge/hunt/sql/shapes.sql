-- Sizes (bytes), lengths and ports of the conversations of pairs.
SELECT
    client, server, port,
    count(DISTINCT cport) AS ports,
    quantile_cont(bytes, [0.25, 0.5, 0.75]) AS sizes,
    quantile_cont(epoch_us(time_end) - epoch_us(time_start), 0.9) AS lasted_us
FROM oriented
JOIN shaped USING (client, server, port, proto, way)
WHERE fwd
GROUP BY client, server, port, proto, way
