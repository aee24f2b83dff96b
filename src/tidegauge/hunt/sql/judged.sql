-- The log likelihood ratio of a scanner by client and way. A port with several servers counts by itself, so that a
-- browser's successes do not hide a scan; there it is also enough to fail far more often than anybody who means to be
-- served. All others count together (`lump` -1).
WITH wide AS (
    SELECT client, way, proto, port, count(*) >= $wide AS own
    FROM contacts
    GROUP BY ALL
),
sums AS (
    SELECT
        client, way,
        CASE WHEN own THEN port ELSE -1 END AS lump,
        count(*) FILTER (WHERE failed) AS f,
        count(*) FILTER (WHERE NOT failed) AS s,
        count(*) FILTER (WHERE again) AS again
    FROM contacts
    JOIN wide USING (client, way, proto, port)
    GROUP BY ALL
),
likelihoods AS (
    SELECT
        *,
        $step * (f - s) AS walk,
        CASE
            WHEN lump >= 0 AND f >= $often * (f + s)
            THEN f * ln(f / (f + s) / $rarely_fails)
                + CASE WHEN s > 0 THEN s * ln(s / (f + s) / (1 - $rarely_fails)) ELSE 0 END
            ELSE 0
        END AS often
    FROM sums
    WHERE f >= $least_targets AND NOT (lump >= 0 AND least(again, s) >= $watched * (f + s))
)
SELECT client, way, lump, f, s, greatest(walk, often) AS ratio
FROM likelihoods
