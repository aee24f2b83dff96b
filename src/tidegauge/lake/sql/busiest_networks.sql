-- The networks (/16 of IPv4, /32 of IPv6) with the most bytes at one end of flows that neither begin nor end at home.
WITH ends AS (
    SELECT CASE WHEN $source THEN src ELSE dst END AS address, bytes FROM flows WHERE direction = 'transit'
),
networks AS (
    SELECT
        CASE
            WHEN address[1:12] = unhex('00000000000000000000ffff') THEN address[1:14]
            ELSE address[1:4]
        END AS network,
        CAST(sum(bytes) AS DOUBLE) AS amount
    FROM ends
    GROUP BY network
)
SELECT network, amount / greatest((SELECT sum(amount) FROM networks), 1) AS share
FROM networks
ORDER BY amount DESC, network
LIMIT $most
