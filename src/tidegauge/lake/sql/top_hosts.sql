-- Groups with the most far ends.
WITH sums AS MATERIALIZED (
    SELECT * EXCLUDE (amount), CAST(count(DISTINCT amount) AS HUGEINT) AS amount
    FROM chosen
    GROUP BY ALL
)
SELECT *, (SELECT sum(amount) FROM sums) AS total
FROM sums
ORDER BY amount DESC, COLUMNS('^k[0-9]+$')
LIMIT $most
