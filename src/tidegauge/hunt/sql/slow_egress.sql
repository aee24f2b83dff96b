-- A little every day for weeks, nearly all of it outward, to a place that few send to.
WITH sums AS (
    SELECT
        home, far,
        sum(came) AS came,
        sum(went) AS went,
        count(*) FILTER (WHERE flows_out > 0) AS days,
        min(first_us) AS first_us,
        max(last_us) AS last_us
    FROM by_day
    GROUP BY home, far
),
senders AS (SELECT far, count(*) AS hosts FROM sums WHERE went > 0 GROUP BY far)
SELECT home, far, came, went, days, first_us, last_us, hosts
FROM sums
JOIN senders USING (far)
WHERE
    days >= $least_days AND went >= $least_bytes AND went > 5 * came AND hosts <= 3
    AND days >= 0.7 * ((last_us - first_us) / 8.64e10) AND last_us >= $since_us
ORDER BY went DESC
LIMIT $listed
