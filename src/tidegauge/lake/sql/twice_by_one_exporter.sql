-- Of the flows of each exporter, how many it told twice, as from a monitor at either side of it. Sampled packets are
-- flows of an instant each, and those of one connection are alike.
WITH own AS (SELECT exporter, count(*) AS flows FROM seen WHERE keyed GROUP BY exporter),
paired AS (
    SELECT exporter, count(DISTINCT a.id) AS matched
    FROM seen AS a
    JOIN seen AS b USING (exporter, src, dst, src_port, dst_port, proto, bytes, packets)
    WHERE
        a.keyed AND b.keyed AND a.id <> b.id AND (a.sampling = 1 OR a.t < a.e)
        AND abs(a.t - b.t) <= $near_us AND abs(a.e - b.e) <= $near_us
        AND a.mark IS NOT DISTINCT FROM b.mark
    GROUP BY exporter
)
SELECT exporter, exporter, matched, flows
FROM paired
JOIN own USING (exporter)
WHERE matched >= $least_flows AND matched >= $least_share * flows
ORDER BY matched DESC
