-- Flows by start time.
SELECT *
FROM chosen
ORDER BY time_start, time_end, src, dst, src_port, dst_port, proto, bytes, packets, exporter, domain
LIMIT $most
