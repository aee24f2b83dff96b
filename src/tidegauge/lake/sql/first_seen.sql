-- When each of some pairs first called; with `$went_on`, in a call in which the client went on.
SELECT pair_key(client, server, port, proto) AS key, min(epoch_us(time_start)) AS first_us
FROM named
WHERE
    pair_key(client, server, port, proto) IN (SELECT key FROM wanted)
    AND fwd AND (NOT $went_on OR went_on(tcp_flags, packets, bytes, sampling))
GROUP BY ALL
