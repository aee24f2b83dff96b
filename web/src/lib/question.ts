/** A question as its form, its address and its parameters. */

export const NAMES = [
  'from',
  'watch',
  'where',
  'direction',
  'metric',
  'since',
  'until',
  'wide',
  'baseline',
  'false_alarm',
  'power',
] as const;
export type Name = (typeof NAMES)[number];
export type Form = Record<Name, string>;

export function formOf(query: URLSearchParams): Form {
  return Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? ''])) as Form;
}

export function questionOf(form: Form): Record<string, string | boolean> {
  const told: Record<string, string | boolean> = {};
  for (const name of NAMES) {
    if (!form[name]) continue;
    told[name] = name === 'wide' ? true : form[name];
  }
  return told;
}
