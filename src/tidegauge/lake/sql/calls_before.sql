-- How often a pair called.
SELECT count(*) AS calls
FROM oriented
WHERE
    proto = $proto AND (src = $client AND dst = $server OR src = $server AND dst = $client)
    AND port = $port AND fwd
