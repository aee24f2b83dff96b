/** Numbers and times in the reader's way. Times are UTC, or in the site's zone where the reader wants that. */
import type { Language } from '../i18n';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

function rounded(value: number, language: Language): string {
  const most = Math.abs(value) >= 100 ? 0 : 1;
  return new Intl.NumberFormat(language, { maximumFractionDigits: most }).format(value);
}

/** An amount with its unit: bytes in powers of 1000, others as they are. */
export function amount(value: number, metric: string, language: Language): string {
  if (metric === 'packets' || metric === 'flows' || metric === 'hosts') {
    return new Intl.NumberFormat(language, { maximumFractionDigits: value < 10 ? 2 : 0 }).format(value);
  }
  let step = 0;
  let left = value;
  while (Math.abs(left) >= 1000 && step < UNITS.length - 1) {
    left /= 1000;
    step += 1;
  }
  return `${rounded(left, language)} ${UNITS[step] ?? ''}`;
}

export function count(value: number, language: Language): string {
  return new Intl.NumberFormat(language).format(value);
}

/** A share that is never rounded up to all, nor down to none. */
export function percent(share: number, language: Language): string {
  const cut = share > 0.999 && share < 1 ? Math.floor(share * 1e4) / 1e4 : share;
  const least = share > 0 && share < 0.0001 ? 0.0001 : cut;
  const shown = new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: 2 }).format(least);
  return share > 0 && share < 0.0001 ? `< ${shown}` : shown;
}

/** A factor: how many times as much. */
export function times(factor: number, language: Language): string {
  return `${new Intl.NumberFormat(language, { maximumSignificantDigits: factor < 10 ? 2 : 3 }).format(factor)} ×`;
}

/** Seconds in the largest unit that they fill. */
export function duration(seconds: number, language: Language): string {
  const units: [Intl.NumberFormatOptions['unit'], number][] = [
    ['day', 86400],
    ['hour', 3600],
    ['minute', 60],
    ['second', 1],
  ];
  const [unit, size] = units.find(([, s]) => seconds >= s) ?? ['second' as const, 1];
  const value = seconds / size;
  return new Intl.NumberFormat(language, {
    style: 'unit',
    unit: unit ?? 'second',
    unitDisplay: 'long',
    maximumFractionDigits: Number.isInteger(value) ? 0 : 1,
  }).format(value);
}

export type Zone = { name: string; short: string };

function shape(language: Language, zone: string, more: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  // A year, month and day that nobody has to guess the order of.
  return new Intl.DateTimeFormat(language === 'en' ? 'sv-SE' : language, { timeZone: zone, hourCycle: 'h23', ...more });
}

const DAY: Intl.DateTimeFormatOptions = { year: 'numeric', month: '2-digit', day: '2-digit' };
const MINUTE: Intl.DateTimeFormatOptions = { ...DAY, hour: '2-digit', minute: '2-digit' };

const kept = new Map<string, Intl.DateTimeFormat>();

function told(at: number, language: Language, zone: string, how: 'day' | 'minute' | 'second' | 'hour'): string {
  const key = `${language} ${zone} ${how}`;
  let format = kept.get(key);
  if (!format) {
    const options =
      how === 'day'
        ? DAY
        : how === 'minute'
          ? MINUTE
          : how === 'second'
            ? { ...MINUTE, second: '2-digit' as const }
            : { hour: '2-digit' as const, minute: '2-digit' as const };
    format = shape(language, zone, options);
    kept.set(key, format);
  }
  return format.format(at);
}

/** A time of RFC 3339, or epoch seconds, to the minute. */
export function moment(at: string | number, language: Language, zone: string): string {
  const ms = typeof at === 'number' ? at * 1000 : Date.parse(at);
  return Number.isNaN(ms) ? String(at) : told(ms, language, zone, 'minute');
}

export function second(at: string, language: Language, zone: string): string {
  const ms = Date.parse(at);
  return Number.isNaN(ms) ? at : told(ms, language, zone, 'second');
}

export function day(at: string | number, language: Language, zone: string): string {
  const ms = typeof at === 'number' ? at * 1000 : Date.parse(at);
  return Number.isNaN(ms) ? String(at) : told(ms, language, zone, 'day');
}

/** Epoch seconds as the service reads times. */
export function stamp(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
