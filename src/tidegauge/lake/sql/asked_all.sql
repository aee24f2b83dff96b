-- Who asked everybody by UDP, and from which port: what comes to it there is an answer, whatever its own ports (SSDP,
-- WS-Discovery, LLMNR, printers); where it asked from the port it asked at, what comes from that port (mDNS, NetBIOS).
SELECT DISTINCT src AS asker, src_port AS asker_port, src_port = dst_port AS same_port
FROM chosen_flows
WHERE proto = 17 AND (src_port >= 1024 OR src_port = dst_port) AND to_all(dst)
