/** Help with expressions over flow columns: what a word may become, and where an error lies. */

const WORDS = ['AND', 'OR', 'NOT', 'IN', 'BETWEEN', 'LIKE', "inside(src, '')", "is_class(far_class, '')"];
const MOST = 8;

/** What the word before a place may become; classes within quotes after is_class. */
export function complete(text: string, place: number, columns: string[], classes: string[]): string[] {
  const before = text.slice(0, place);
  const word = /[\w-]*$/.exec(before)?.[0] ?? '';
  const quotes = before.split("'").length - 1;
  if (quotes % 2) {
    if (!/is_class\([^']*'[\w-]*$/i.test(before)) return [];
    return classes.filter((one) => one.startsWith(word) && one !== word).slice(0, MOST);
  }
  if (!word) return [];
  const low = word.toLowerCase();
  return [...columns, ...WORDS]
    .filter((one) => one.toLowerCase().startsWith(low) && one.toLowerCase() !== low)
    .slice(0, MOST);
}

/** The column (from 0) of the text that an error names; null where it names none. */
export function positionIn(message: string, text: string): number | null {
  const told = /Line (\d+), Col: (\d+)/.exec(message);
  if (told) {
    // The parser counts from one, and names the last character of what it read.
    const lines = text.split('\n');
    const before = lines.slice(0, Number(told[1]) - 1).reduce((sum, line) => sum + line.length + 1, 0);
    return Math.max(0, Math.min(before + Number(told[2]) - 1, text.length));
  }
  const named = /'([^']+)'/.exec(message)?.[1];
  const place = named ? text.indexOf(named) : -1;
  return place >= 0 ? place : null;
}
