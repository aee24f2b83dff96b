import { describe, expect, it } from 'vitest';
import { fill, inChinese, LANGUAGES, preferred } from '../src/i18n';
import sentences from '../../src/tidegauge/model/data/sentences.json';

const braces = (text: string) => (text.match(/\{\w+\}/g) ?? []).toSorted();

describe('words', () => {
  it('has the same keys in every language, none empty', () => {
    expect(Object.keys(LANGUAGES['zh-TW'])).toEqual(Object.keys(LANGUAGES.en));
    for (const words of Object.values(LANGUAGES)) {
      for (const [key, text] of Object.entries(words)) expect(text.trim(), key).not.toBe('');
    }
  });
  it('fills the same places in every language', () => {
    for (const [key, text] of Object.entries(LANGUAGES.en)) {
      expect(braces(LANGUAGES['zh-TW'][key as keyof typeof LANGUAGES.en]), key).toEqual(braces(text));
    }
  });
  it('is Chinese where it is said to be', () => {
    // Names of formats are the same in both.
    const same = new Set(['format_stix', 'format_csv', 'kind_as', 'claimed_by', 'decided_line']);
    for (const [key, text] of Object.entries(LANGUAGES['zh-TW'])) {
      if (!same.has(key)) expect(text, key).toMatch(/\p{Script=Han}/u);
    }
  });
  it('knows sentences of the service by their form, and keeps what is in them', () => {
    for (const [english, chinese] of sentences as [string, string][]) {
      expect(braces(chinese), english).toEqual(braces(english));
    }
    expect(inChinese('too little history: 12.5 hours of covered time before the asked time, 48 are needed')).toBe(
      '歷史不足：所查時間之前涵蓋 12.5 小時，需要 48 小時',
    );
    expect(inChinese('exporter silent; records lost')).toBe('匯出器無資料；記錄遺失');
    expect(inChinese('something that nobody wrote down')).toBeNull();
  });
  it('does not take what stands in braces for a form', () => {
    expect(fill('{a} and {b}', { a: '{b}', b: 'x' })).toBe('{b} and x');
  });
  it('chooses a language that the reader has', () => {
    expect(preferred(['de', 'zh-Hant-TW', 'en'])).toBe('zh-TW');
    expect(preferred(['fr'])).toBe('en');
  });
});
