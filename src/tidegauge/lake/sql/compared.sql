-- Groups by their sums now, the largest first, and their sums in the past.
WITH largest AS (
    SELECT key, CAST(sum(amount) AS DOUBLE) AS amount
    FROM now
    GROUP BY key
    ORDER BY amount DESC
    LIMIT $most
),
before AS (
    SELECT key, CAST(sum(amount) AS DOUBLE) AS amount
    FROM past
    WHERE key IN (SELECT key FROM largest)
    GROUP BY key
)
SELECT largest.key, largest.amount, coalesce(before.amount, 0)
FROM largest
LEFT JOIN before USING (key)
ORDER BY largest.amount DESC
