-- What each host sent on each day: in all, and to places to which it had never sent before.
WITH begun AS (
    SELECT *, min(day) OVER (PARTITION BY home, far) AS began
    FROM by_day
    WHERE flows_out > 0
)
SELECT
    home, day,
    sum(went) AS went,
    coalesce(sum(went) FILTER (WHERE began = day), 0) AS fresh,
    arg_max(far, went) AS top_far,
    max(went) AS top_went,
    arg_max(far, CASE WHEN began = day THEN went END) AS new_far,
    coalesce(max(CASE WHEN began = day THEN went END), 0) AS new_went
FROM begun
GROUP BY home, day
ORDER BY home, day
