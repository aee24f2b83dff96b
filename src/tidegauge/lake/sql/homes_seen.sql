-- Which of the home prefixes have an address in the flows of a sample.
WITH addresses AS (SELECT src AS address FROM flows UNION SELECT dst FROM flows)
SELECT DISTINCT place FROM addresses JOIN homes ON address BETWEEN first AND last
