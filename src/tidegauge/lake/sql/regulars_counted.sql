SELECT
    count(*) FILTER (WHERE NOT crowded) AS kept,
    count(*) FILTER (WHERE crowded) AS crowded,
    coalesce(sum(n) FILTER (WHERE NOT crowded), 0) AS calls
FROM regulars
