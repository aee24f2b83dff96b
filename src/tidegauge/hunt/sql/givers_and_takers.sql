-- For each host of ours, far ends that gave it about as much as it then sent to another.
WITH givers AS (
    SELECT *, row_number() OVER (PARTITION BY home ORDER BY came DESC) AS place
    FROM exchanged
    WHERE came >= $least_bytes AND came > 2 * went
),
takers AS (
    SELECT *, row_number() OVER (PARTITION BY home ORDER BY went DESC) AS place
    FROM exchanged
    WHERE went >= $least_bytes AND went > 2 * came
)
SELECT
    givers.home,
    givers.far AS giver,
    takers.far AS taker,
    givers.came,
    takers.went,
    greatest(givers.first_us, takers.first_us) AS first_us,
    least(givers.last_us, takers.last_us) AS last_us
FROM givers
JOIN takers ON givers.home = takers.home
WHERE
    givers.place <= $neighbours AND takers.place <= $neighbours
    AND takers.went BETWEEN 0.25 * givers.came AND 2 * givers.came
    AND takers.last_us >= givers.first_us AND takers.first_us <= givers.last_us + 3600000000
ORDER BY least(givers.came, takers.went) DESC
LIMIT $most
