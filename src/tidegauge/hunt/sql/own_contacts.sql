-- First contacts of our hosts at the port that most of them use.
WITH own AS (
    SELECT client, port, count(*) FILTER (WHERE NOT failed) AS s, count(*) FILTER (WHERE failed) AS f
    FROM contacts
    WHERE way = 'out' AND proto = 6
    GROUP BY ALL
),
most AS (SELECT port FROM own GROUP BY port ORDER BY count(*) DESC LIMIT 1)
SELECT port, s, f FROM own WHERE port IN (SELECT port FROM most)
