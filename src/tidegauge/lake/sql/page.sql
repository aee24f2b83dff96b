-- Flows in order; with `$behind`, from a place in it on.
SELECT *
FROM chosen
WHERE
    NOT $behind
    OR (time_start, time_end, src, dst) >= (make_timestamptz($start_us), make_timestamptz($end_us), $src, $dst)
ORDER BY time_start, time_end, src, dst, src_port, dst_port, proto, bytes, packets, exporter, domain
LIMIT $most OFFSET $skip
