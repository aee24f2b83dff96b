-- Whom clients asked, by client, protocol and port (0: any).
SELECT DISTINCT client, protocol, door, dst AS server
FROM chosen_flows
JOIN wanted ON src = client AND proto = protocol AND (door = 0 OR dst_port = door)
