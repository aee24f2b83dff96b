-- Addresses that no outside host has (RFC 1918, 6598, 3927, 4193, 4291): what passes between them is never `in`.
CREATE OR REPLACE TEMP MACRO is_local(address) AS (
    address BETWEEN unhex('00000000000000000000ffff0a000000') AND unhex('00000000000000000000ffff0affffff')  -- 10.0.0.0/8
    OR address BETWEEN unhex('00000000000000000000ffff64400000') AND unhex('00000000000000000000ffff647fffff')  -- 100.64.0.0/10
    OR address BETWEEN unhex('00000000000000000000ffff7f000000') AND unhex('00000000000000000000ffff7fffffff')  -- 127.0.0.0/8
    OR address BETWEEN unhex('00000000000000000000ffffa9fe0000') AND unhex('00000000000000000000ffffa9feffff')  -- 169.254.0.0/16
    OR address BETWEEN unhex('00000000000000000000ffffac100000') AND unhex('00000000000000000000ffffac1fffff')  -- 172.16.0.0/12
    OR address BETWEEN unhex('00000000000000000000ffffc0a80000') AND unhex('00000000000000000000ffffc0a8ffff')  -- 192.168.0.0/16
    OR address BETWEEN unhex('00000000000000000000ffffe0000000') AND unhex('00000000000000000000ffffffffffff')  -- 224.0.0.0/3
    OR address BETWEEN unhex('00000000000000000000ffff00000000') AND unhex('00000000000000000000ffff00000000')  -- 0.0.0.0/32
    OR address BETWEEN unhex('fc000000000000000000000000000000') AND unhex('fdffffffffffffffffffffffffffffff')  -- fc00::/7
    OR address BETWEEN unhex('fe800000000000000000000000000000') AND unhex('febfffffffffffffffffffffffffffff')  -- fe80::/10
    OR address BETWEEN unhex('ff000000000000000000000000000000') AND unhex('ffffffffffffffffffffffffffffffff')  -- ff00::/8
    OR address BETWEEN unhex('00000000000000000000000000000000') AND unhex('00000000000000000000000000000001')  -- ::/127
);
