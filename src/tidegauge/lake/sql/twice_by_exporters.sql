-- Of the flows of each exporter, how many another one saw too: at about the same time, of about the same size where
-- neither samples.
WITH own AS (SELECT exporter, count(*) AS flows FROM seen WHERE keyed GROUP BY exporter),
paired AS (
    SELECT a.exporter AS one, b.exporter AS other, count(DISTINCT a.id) AS matched
    FROM seen AS a
    JOIN seen AS b USING (src, dst, src_port, dst_port, proto)
    WHERE
        a.keyed AND b.keyed AND a.exporter <> b.exporter AND a.t <= b.e + $apart_us AND b.t <= a.e + $apart_us
        AND (
            a.sampling > 1 OR b.sampling > 1
            OR greatest(a.bytes, b.bytes) - least(a.bytes, b.bytes) <= $alike * greatest(a.bytes, b.bytes)
        )
    GROUP BY ALL
)
SELECT one, other, matched, flows
FROM paired
JOIN own ON own.exporter = one
WHERE matched >= $least_flows AND matched >= $least_share * flows
ORDER BY matched DESC
