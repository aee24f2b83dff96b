-- The calls of regular pairs, in order of time.
SELECT
    pair_key(client, server, port, proto) AS key,
    epoch_us(time_start) AS start_us,
    epoch_us(time_end) AS end_us,
    cport,
    bytes,
    tcp_flags AS flags,
    sampling
FROM named
SEMI JOIN regulars ON pair_key(client, server, port, proto) = regulars.key
WHERE fwd AND way <> 'transit'
ORDER BY key, start_us
