-- Some flows of some minutes: those whose key falls into one of `$classes` by hash, a few of each key.
SELECT
    row_number() OVER () AS id,
    CAST(exporter AS VARCHAR) AS exporter,
    src, dst, src_port, dst_port, proto, mark,
    epoch_us(time_start) AS t,
    epoch_us(time_end) AS e,
    bytes, packets, sampling,
    proto IN (6, 17) AND src_port <> 0 AND dst_port <> 0 AS keyed
FROM looked_at
WHERE
    hash(src, dst, src_port, dst_port, proto) % $classes = 0
QUALIFY
    row_number() OVER (
        PARTITION BY exporter, mark, src, dst, src_port, dst_port, proto ORDER BY time_start
    ) <= $most_alike
