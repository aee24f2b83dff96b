-- The flows of the hosts and far ends that are compared, in order of time.
SELECT place, epoch_us(time_start) AS start_us, epoch_us(time_end) AS end_us, bytes
FROM crossing
JOIN wanted ON direction = wanted.way AND crossing.home = wanted.home AND crossing.far = wanted.far
ORDER BY place, start_us
