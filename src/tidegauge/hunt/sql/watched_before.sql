-- What one host exchanged with the watched asset.
SELECT
    CAST(coalesce(sum(bytes) FILTER (WHERE direction = 'in'), 0) AS DOUBLE) AS came,
    CAST(coalesce(sum(bytes) FILTER (WHERE direction = 'out'), 0) AS DOUBLE) AS went
FROM crossing
WHERE watched AND home = $home
