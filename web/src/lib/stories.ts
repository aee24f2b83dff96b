/** From a command that a finding names to the page that shows the same flows. */

/** The words of a command line, quotes taken off. */
export function wordsOf(line: string): string[] {
  const found: string[] = [];
  const pattern = /"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S+)/g;
  for (const match of line.matchAll(pattern))
    found.push(match[1]?.replace(/\\(.)/g, '$1') ?? match[2] ?? match[3] ?? '');
  return found;
}

/** The address of the flows behind `tidegauge flows --since ... --where ...`; null where it is another command. */
export function flowsOf(line: string): string | null {
  const words = wordsOf(line);
  if (words[0] !== 'tidegauge' || words[1] !== 'flows') return null;
  const query = new URLSearchParams();
  for (let place = 2; place + 1 < words.length; place += 2) {
    const name = words[place];
    if (name === '--since' || name === '--until' || name === '--where')
      query.set(name.slice(2), words[place + 1] ?? '');
  }
  return `/flows?${query.toString()}`;
}
