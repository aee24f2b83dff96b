-- The same from rollups: whole numbers, and the fractions of what was spread over bins.
SELECT key, bin, CAST(sum(amount) AS BIGINT) AS whole, CAST(sum(fraction) AS BIGINT) AS fraction
FROM chosen
WHERE bin BETWEEN $first AND $last
GROUP BY key, bin
