/** What a reader chooses: language, colours, zone; kept in this browser. */
import { createContext, type ComponentChildren } from 'preact';
import { useContext, useEffect, useMemo, useState } from 'preact/hooks';
import { fill, inChinese, LANGUAGES, preferred, type Key, type Language } from '../i18n';
import * as format from './format';

export type Theme = 'system' | 'light' | 'dark';

interface Settings {
  language: Language;
  theme: Theme;
  dark: boolean;
  zone: string;
  siteZone: string;
  choose: (values: Partial<{ language: Language; theme: Theme; zone: string }>) => void;
}

export interface Words extends Settings {
  t: (key: Key, values?: Record<string, string | number>) => string;
  /** A sentence of the service, in the reader's language where its form is known. */
  say: (sentence: string) => string;
  moment: (at: string | number) => string;
  second: (at: string) => string;
  day: (at: string | number) => string;
  amount: (value: number, metric: string) => string;
  count: (value: number) => string;
  percent: (share: number) => string;
  times: (factor: number) => string;
  duration: (seconds: number) => string;
  country: (code: string) => string;
}

const Context = createContext<Words | null>(null);

export function useWords(): Words {
  const words = useContext(Context);
  if (!words) throw new Error('no words here');
  return words;
}

function kept(name: string): string | null {
  try {
    return localStorage.getItem(`tidegauge.${name}`);
  } catch {
    return null;
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`tidegauge.${name}`, value);
  } catch {
    // a browser that keeps nothing: the choice holds for this page
  }
}

export function Chosen({ siteZone, children }: { siteZone: string; children: ComponentChildren }) {
  const [language, setLanguage] = useState<Language>(() => {
    const one = kept('language');
    return one === 'en' || one === 'zh-TW' ? one : preferred(navigator.languages);
  });
  const [theme, setTheme] = useState<Theme>(() => {
    const one = kept('theme');
    return one === 'light' || one === 'dark' ? one : 'system';
  });
  const [zone, setZone] = useState(() => kept('zone') ?? 'UTC');
  const system = useMemo(() => matchMedia('(prefers-color-scheme: dark)'), []);
  const [systemDark, setSystemDark] = useState(system.matches);
  useEffect(() => {
    const changed = () => setSystemDark(system.matches);
    system.addEventListener('change', changed);
    return () => system.removeEventListener('change', changed);
  }, [system]);
  const dark = theme === 'dark' || (theme === 'system' && systemDark);
  useEffect(() => {
    document.documentElement.lang = language;
    document.documentElement.dataset['theme'] = dark ? 'dark' : 'light';
  }, [language, dark]);

  const words = useMemo((): Words => {
    const shown = zone === 'site' ? siteZone : 'UTC';
    const names = new Intl.DisplayNames([language], { type: 'region', fallback: 'code' });
    return {
      language,
      theme,
      dark,
      zone,
      siteZone,
      choose: (values) => {
        for (const [name, value] of Object.entries(values)) keep(name, value);
        if (values.language) setLanguage(values.language);
        if (values.theme) setTheme(values.theme);
        if (values.zone) setZone(values.zone);
      },
      t: (key, values) => fill(LANGUAGES[language][key], values),
      say: (sentence) => (language === 'zh-TW' ? (inChinese(sentence) ?? sentence) : sentence),
      moment: (at) => format.moment(at, language, shown),
      second: (at) => format.second(at, language, shown),
      day: (at) => format.day(at, language, shown),
      amount: (value, metric) => format.amount(value, metric, language),
      count: (value) => format.count(value, language),
      percent: (share) => format.percent(share, language),
      times: (factor) => format.times(factor, language),
      duration: (seconds) => format.duration(seconds, language),
      country: (code) => {
        try {
          if (code === 'ZZ') return LANGUAGES[language].unknown_country;
          return /^[A-Z]{2}$/.test(code) ? (names.of(code) ?? code) : code;
        } catch {
          return code;
        }
      },
    };
  }, [language, theme, dark, zone, siteZone]);
  return <Context.Provider value={words}>{children}</Context.Provider>;
}
