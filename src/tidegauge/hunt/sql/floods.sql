-- Hosts of ours that send very many packets to one far end and get next to nothing back; no acknowledged TCP.
SELECT *
FROM pairs
WHERE
    way = 'out' AND up_packets >= $packets
    AND (proto <> 6 OR held < 0.1 * calls)
    AND down_packets < 0.02 * up_packets
    AND up_packets > 500 * greatest((last_us - first_us) / 1e6, 60)
ORDER BY up_packets DESC
LIMIT $listed
