/** The command line that gives the same as what the page shows. */

function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
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
