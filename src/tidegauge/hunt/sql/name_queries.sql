-- Windows asks hosts with which it talks for their NetBIOS name, wherever they are: no first contact.
WITH queries AS (
    SELECT DISTINCT client, server FROM pairs WHERE proto = 17 AND port = $nbstat
),
talked AS (
    SELECT client, server
    FROM pairs
    WHERE port <> $nbstat AND down_packets > 0 AND client IN (SELECT client FROM queries)
    UNION
    SELECT server, client
    FROM pairs
    WHERE port <> $nbstat AND down_packets > 0 AND server IN (SELECT client FROM queries)
)
SELECT client, server FROM queries SEMI JOIN talked USING (client, server)
