/** Words of the pages: every sentence whole in each language, chosen by key; sentences of the service by their form. */
import { en } from './en';
import { zhTW } from './zh-TW';
import sentences from '../../../src/tidegauge/model/data/sentences.json';

export type Language = 'en' | 'zh-TW';
export type Key = keyof typeof en;
export const LANGUAGES: Record<Language, Record<Key, string>> = { en, 'zh-TW': zhTW };

/** A sentence with its braces filled. */
export function fill(text: string, values: Record<string, string | number> = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

export function preferred(languages: readonly string[]): Language {
  return languages
    .find((one) => /^(zh|en)/i.test(one))
    ?.toLowerCase()
    .startsWith('zh')
    ? 'zh-TW'
    : 'en';
}

interface Form {
  pattern: RegExp;
  names: string[];
  zh: string;
}

const forms: Form[] = (sentences as [string, string][]).map(([english, zh]) => {
  const names: string[] = [];
  const pattern = english.replace(/\{(\w+)\}|[.*+?^${}()|[\]\\]/g, (part, name: string | undefined) => {
    if (name === undefined) return `\\${part}`;
    names.push(name);
    return '([^]+?)';
  });
  return { pattern: new RegExp(`^${pattern}$`), names, zh };
});

const known = new Map<string, string | null>();

/** A sentence of the service in Traditional Chinese; null where its form is not known. */
export function inChinese(sentence: string): string | null {
  const before = known.get(sentence);
  if (before !== undefined) return before;
  let found: string | null = null;
  for (const form of forms) {
    const match = form.pattern.exec(sentence);
    if (!match) continue;
    const values: Record<string, string> = {};
    for (const [place, name] of form.names.entries()) {
      const part = match[place + 1] ?? '';
      // What stands in a sentence can be one itself.
      values[name] = inChinese(part) ?? part;
    }
    found = fill(form.zh, values);
    break;
  }
  if (known.size > 5000) known.clear();
  known.set(sentence, found);
  return found;
}
