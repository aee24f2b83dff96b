-- Of the flows of each file, how many another file holds too; of small files all of so many must be.
WITH own AS (SELECT mark, count(*) AS flows FROM seen WHERE mark IS NOT NULL GROUP BY mark),
paired AS (
    SELECT
        a.mark AS one,
        mode(b.mark) AS other,
        count(DISTINCT b.mark) AS others,
        count(DISTINCT a.id) AS matched
    FROM seen AS a
    JOIN seen AS b USING (src, dst, src_port, dst_port, proto, bytes, packets)
    WHERE
        abs(a.t - b.t) <= 1000 AND abs(a.e - b.e) <= 1000 AND a.exporter = b.exporter
        AND b.mark IS DISTINCT FROM a.mark AND a.mark IS NOT NULL
    GROUP BY ALL
)
SELECT one, other, others, matched, flows
FROM paired
JOIN own ON own.mark = one
WHERE matched >= $least_flows AND matched >= $least_share * flows OR matched = flows AND flows >= $least_of_all
ORDER BY matched DESC
