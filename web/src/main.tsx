/** The console's frame: who asks, where to, and the view that the address names. */
import { render, type ComponentType } from 'preact';
import { lazy, Suspense } from 'preact/compat';
import { useEffect, useState } from 'preact/hooks';
import { get, Problem, send, useCsrf } from './api/client';
import type { Me, Site } from './api/answers';
import { Link, Trouble } from './parts/common';
import { HereContext, type Here } from './lib/here';
import { go, usePlace } from './lib/route';
import { Chosen, useWords, type Theme } from './lib/settings';
import { Ask } from './views/Ask';
import type { Language } from './i18n';
import './style.css';

const VIEWS = {
  ask: Ask,
  world: lazy(async () => ({ default: (await import('./views/World')).World })),
  now: lazy(async () => ({ default: (await import('./views/Now')).Now })),
  findings: lazy(async () => ({ default: (await import('./views/Findings')).Findings })),
  host: lazy(async () => ({ default: (await import('./views/Host')).Host })),
  origin: lazy(async () => ({ default: (await import('./views/Origin')).Origin })),
  coverage: lazy(async () => ({ default: (await import('./views/Coverage')).Coverage })),
  flows: lazy(async () => ({ default: (await import('./views/Flows')).Flows })),
  lures: lazy(async () => ({ default: (await import('./views/Lures')).Lures })),
  leaks: lazy(async () => ({ default: (await import('./views/Leaks')).Leaks })),
  cases: lazy(async () => ({ default: (await import('./views/Cases')).Cases })),
} satisfies Record<string, ComponentType>;
type View = keyof typeof VIEWS;
const ORDER = Object.keys(VIEWS) as View[];

function Frame({ here }: { here: Here }) {
  const { t, language, theme, zone, siteZone, choose } = useWords();
  const { path } = usePlace();
  const named = ORDER.find((one) => one === path[0]) ?? 'ask';
  const Shown: ComponentType = VIEWS[named];
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [named]);
  return (
    <HereContext.Provider value={here}>
      <a class="skip" href="#main">
        {t('skip')}
      </a>
      <header class="top">
        <button
          type="button"
          class="quiet menu"
          aria-expanded={open}
          aria-controls="views"
          onClick={() => setOpen(!open)}
        >
          <span aria-hidden="true">☰</span> <span class="hidden">{t('menu')}</span>
        </button>
        <Link to="/ask" class="brand">
          tidegauge
        </Link>
        <span class="site">
          {here.site.name}
          {here.site.simulated ? <span class="simulated">{t('simulated')}</span> : null}
        </span>
        <div class="settings">
          <select
            aria-label={t('language')}
            value={language}
            onChange={(event) => choose({ language: event.currentTarget.value as Language })}
          >
            <option value="en" lang="en">
              English
            </option>
            <option value="zh-TW" lang="zh-TW">
              繁體中文
            </option>
          </select>
          <select
            aria-label={t('colours')}
            value={theme}
            onChange={(event) => choose({ theme: event.currentTarget.value as Theme })}
          >
            <option value="system">{t('theme_system')}</option>
            <option value="light">{t('theme_light')}</option>
            <option value="dark">{t('theme_dark')}</option>
          </select>
          <select aria-label={t('zone')} value={zone} onChange={(event) => choose({ zone: event.currentTarget.value })}>
            <option value="UTC">UTC</option>
            {siteZone === 'UTC' ? null : <option value="site">{siteZone}</option>}
          </select>
          <button
            type="button"
            class="quiet"
            onClick={() => {
              void send('POST', '/api/v1/logout', null).finally(() => location.assign('/login'));
            }}
          >
            {t('log_out', { name: here.me.name })}
          </button>
        </div>
      </header>
      <nav id="views" class={open ? 'views open' : 'views'} aria-label={t('views')}>
        {ORDER.map((one) => (
          <Link key={one} to={`/${one}`} aria-current={one === named ? 'page' : undefined}>
            {t(`view_${one}`)}
          </Link>
        ))}
      </nav>
      <main id="main" tabIndex={-1}>
        <Suspense fallback={<p class="waiting">{t('asking')}</p>}>
          <Shown />
        </Suspense>
      </main>
    </HereContext.Provider>
  );
}

function Begin() {
  const [here, setHere] = useState<Here | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    Promise.all([get<Me>('/api/v1/me'), get<Site>('/api/v1/site')])
      .then(([me, site]) => {
        useCsrf(me.csrf);
        // A question that came by a link waits for the log-in.
        const after = sessionStorage.getItem('after-login');
        sessionStorage.removeItem('after-login');
        if (after?.startsWith('/') && location.pathname === '/') go(after, true);
        setHere({ me, site });
      })
      .catch((error: unknown) => setProblem(error instanceof Problem ? error : new Problem(0, String(error), '')));
  }, []);
  return (
    <Chosen siteZone={here?.site.zone ?? 'UTC'}>
      {here ? (
        <Frame here={here} />
      ) : problem && problem.status !== 401 ? (
        <Trouble problem={problem} />
      ) : (
        <p class="waiting" />
      )}
    </Chosen>
  );
}

const place = document.getElementById('app');
if (place) render(<Begin />, place);
