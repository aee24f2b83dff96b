/** The command line that gives the same as what the page shows. */

function quoted(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  // Expressions have single quotes in them: double ones around them read better, where nothing in them is the shell's.
  if (text.includes("'") && !/["$`\\!]/.test(text)) return `"${text}"`;
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** `tidegauge VERB --option value ...`; what is empty or false is left out, what is true is a switch. */
export function command(
  verb: string,
  options: Record<string, string | boolean | null | undefined>,
  words: string[] = [],
): string {
  const parts = ['tidegauge', verb, ...words.map(quoted)];
  for (const [name, value] of Object.entries(options)) {
    if (value === true) parts.push(`--${name.replaceAll('_', '-')}`);
    else if (value) parts.push(`--${name.replaceAll('_', '-')}`, quoted(value));
  }
  return parts.join(' ');
}
