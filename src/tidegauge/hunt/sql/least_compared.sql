-- For each host of ours, the least that a further giver or taker must move to be among those that are compared.
WITH gives AS (
    SELECT home, came AS amount, row_number() OVER (PARTITION BY home ORDER BY came DESC) AS place
    FROM exchanged
    WHERE came > 2 * went
),
takes AS (
    SELECT home, went AS amount, row_number() OVER (PARTITION BY home ORDER BY went DESC) AS place
    FROM exchanged
    WHERE went > 2 * came
),
least_of AS (
    SELECT * FROM gives WHERE place = $neighbours
    UNION ALL
    SELECT * FROM takes WHERE place = $neighbours
)
SELECT home, CAST(coalesce(max(amount), 0) AS DOUBLE) AS amount
FROM (SELECT DISTINCT home FROM exchanged)
LEFT JOIN least_of USING (home)
GROUP BY home
